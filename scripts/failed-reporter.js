/**
 * A vitest reporter that names at the end whatever failed, a line each with its file and the reason's first line: where only the last lines of a
 * run are kept, they say what to look for. With --retry, what failed first and worked then is named before.
 */
export default class FailedReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const failures = [];
    const retried = [];
    const note = (file, name, errors, list = failures) => {
      const [reason] = (errors[0]?.message || "no reason given").split("\n");
      list.push(`- ${[file, name].filter(Boolean).join(" > ")}\n    ${reason}`);
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
        else if (test.diagnostic()?.flaky) note(file, test.fullName, result.errors || [], retried);
      }
    }
    for (const error of unhandledErrors) note("outside of tests", "", [error]);
    if (retried.length > 0) console.log(`\n${retried.length} worked only when tried again:\n${retried.join("\n")}`);
    if (failures.length > 0) console.log(`\n${failures.length} failed:\n${failures.join("\n")}`);
  }
}
