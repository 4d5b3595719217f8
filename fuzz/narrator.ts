/** Tells of a campaign while it runs: how far it is, and what it finds. Several processes may find the same. */
import type { Finding } from "./campaign.ts";

/** Modules from one line that tells how far the campaign is to the next. */
const MODULES_A_LINE = 200;

/** What a campaign calls. */
export interface Narrator {
  /** One more module has been run. */
  progress(): void;
  found(finding: Finding): void;
  /** How long the campaign runs already. */
  seconds(): number;
}

/** Findings go to `log`, each way of failing once; how many of the `count` modules were run goes to `error`. */
export function narrate(count: number, { log, error }: Pick<Console, "log" | "error">): Narrator {
  const started = performance.now();
  const signatures = new Set<string>();
  let done = 0;
  const seconds = () => (performance.now() - started) / 1000;
  return {
    progress() {
      if (++done % MODULES_A_LINE !== 0) return;
      const ways = signatures.size === 0 ? "all agreed" : `failed in ${signatures.size} ways`;
      error(`${done} of ${count} modules in ${seconds().toFixed(0)} s, ${ways}`);
    },
    found({ signature, report }) {
      if (signatures.has(signature)) return;
      signatures.add(signature);
      log(`${"=".repeat(100)}\n${report}\n`);
    },
    seconds,
  };
}
