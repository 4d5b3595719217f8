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
        const reason =
          result.note || /\((?:skipped: )?((?<=skipped: ).*?|needs .*?)\)/.exec(test.fullName)?.[1] || "no reason given";
        const files = byReason.get(reason) || new Map();
        files.set(module.relativeModuleId, (files.get(module.relativeModuleId) || 0) + 1);
        byReason.set(reason, files);
      }
    }
    if (count === 0) {
      console.log("\nNo test was skipped.");
      return;
    }
    console.log(`\n${count} ${count === 1 ? "test was" : "tests were"} skipped:`);
    for (const [reason, files] of byReason) {
      console.log(`- ${reason}`);
      for (const [file, tests] of files) console.log(`  ${String(tests).padStart(5)} in ${file}`);
    }
  }
}
