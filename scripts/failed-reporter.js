/**
 * A vitest reporter that names at the end whatever failed, a line each with its file and the reason's first line: where only the last lines of a
 * run are kept, they say what to look for.
 */
export default class FailedReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const failures = [];
    const note = (file, name, errors) => {
      const [reason] = (errors[0]?.message || "no reason given").split("\n");
      failures.push(`- ${[file, name].filter(Boolean).join(" > ")}\n    ${reason}`);
    };
    for (const module of modules) {
      const file = module.relativeModuleId;
      if (module.errors().length > 0) note(file, "", module.errors());
      for (const suite of module.children.allSuites()) {
        if (suite.errors().length > 0) note(file, suite.fullName, suite.errors());
      }
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "failed") note(file, test.fullName, result.errors);
      }
    }
    for (const error of unhandledErrors) note("outside of tests", "", [error]);
    if (failures.length > 0) console.log(`\n${failures.length} failed:\n${failures.join("\n")}`);
  }
}
