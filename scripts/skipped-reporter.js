/**
 * A vitest reporter that says at the end which tests were skipped and why. The reason is what the test gave to `ctx.skip(reason)`, or
 * else the title of the outermost skipped suite, where `describe.skipIf` has room for it.
 */
export default class SkippedReporter {
  onTestRunEnd(modules) {
    const byReason = new Map();
    let count = 0;
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state !== "skipped") continue;
        count++;
        const reason = result.note || outermostSkipped(test);
        const line = `${module.relativeModuleId}: ${test.fullName}`;
        byReason.set(reason, [...(byReason.get(reason) || []), line]);
      }
    }
    if (count === 0) {
      console.log("\nNo test was skipped.");
      return;
    }
    console.log(`\n${count} ${count === 1 ? "test was" : "tests were"} skipped:`);
    for (const [reason, tests] of byReason) {
      console.log(`- ${reason} (${tests.length})`);
      for (const test of tests) console.log(`    ${test}`);
    }
  }
}

/** Title of the skipped suite highest above the test, or of the test itself. */
function outermostSkipped(test) {
  let title = test.name;
  for (let at = test.parent; at.type === "suite"; at = at.parent) {
    if (at.options.mode === "skip") title = at.name;
  }
  return title;
}
