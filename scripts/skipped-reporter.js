/**
 * A vitest reporter that says at the end which tests were skipped and why. The reason is what the test gave to `ctx.skip(reason)`, or
 * else what stands in a title as "(skipped: reason)", where `describe.skipIf` and `test.skipIf` have room for it.
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
        const reason = result.note || /\(skipped: ([^)]*)\)/.exec(test.fullName)?.[1] || "no reason given";
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
