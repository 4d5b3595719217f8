/** The command line of the fuzzer: `npm run fuzz -- --help`. Cases are shared out to processes, since a test run occupies a CPU. */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { addTally, type Campaign, type Finding, runCampaign, type Tally } from "./campaign.ts";
import { printCoverage } from "./coverage.ts";
import { type Narrator, narrate } from "./narrator.ts";

const HELP = `Usage: npm run fuzz -- [options]

Compiles random modules, and compares what the kernel, the reference interpreter and an evaluation of the source make of random packets.

  --count N       modules (10000)
  --packets N     packets for each (16)
  --seed N        seed of the first module (1); the others follow
  --every N       of these seeds every N-th only (1); from 8 on, 8 gives modules with ring buffers and their like
  --usual-only    compile each module once; otherwise each is compiled in one more way: another instruction set, or a pass off
  --no-kernel     leave the kernel out: needs neither root nor Linux
  --jobs N        processes (one for each CPU)
  --case SEED     only this module, in all these ways
`;

interface Outcome {
  tally: Tally;
  findings: Finding[];
}

/** What a process that runs a share of the cases tells the one that started it. */
type Message = { outcome: Outcome } | { finding: Finding } | { progress: 1 };

/** Returns the exit status: 0 when everything agreed, 1 when not, 2 when the command line is wrong. */
export async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "10000" },
      packets: { type: "string", default: "16" },
      seed: { type: "string", default: "1" },
      every: { type: "string", default: "1" },
      "usual-only": { type: "boolean", default: false },
      "no-kernel": { type: "boolean", default: false },
      jobs: { type: "string", default: String(availableParallelism()) },
      case: { type: "string" },
      /** Internal: which share of the cases this process runs. */
      share: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const single = values.case !== undefined;
  const [count, packets, seed, jobs, every] = [
    single ? 1 : values.count,
    values.packets,
    values.case ?? values.seed,
    single ? 1 : values.jobs,
    values.every,
  ].map(Number);
  if (
    !isCount(count) ||
    !isCount(packets) ||
    !isCount(jobs) ||
    !isCount(every) ||
    seed === undefined ||
    !Number.isInteger(seed)
  ) {
    console.error(`What is given is not a whole number.\n\n${HELP}`);
    return 2;
  }
  const kernel = !values["no-kernel"];
  if (kernel && (process.platform !== "linux" || process.getuid?.() !== 0)) {
    console.error("Loading programs needs Linux and root. Run it as root, or with --no-kernel to compare the other two.");
    return 2;
  }
  const ways = values["usual-only"] ? "usual" : single ? "all" : "one more";
  const campaign: Campaign = { seed, every, count, packets, ways, kernel, shrinkTries: 3000 };
  if (values.share !== undefined) {
    const tell = (message: Message) => void process.send?.(message);
    const progress = () => tell({ progress: 1 });
    const found = (finding: Finding) => tell({ finding });
    tell({ outcome: runCampaign({ ...campaign, first: Number(values.share), stride: jobs, progress, found }) });
    return 0;
  }
  const narrator = narrate(count, console);
  const outcome = jobs === 1 ? runCampaign({ ...campaign, ...narrator }) : await share(jobs, narrator);
  report(outcome, narrator.seconds());
  return outcome.findings.length === 0 ? 0 : 1;
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isInteger(value) && value > 0;
}

async function share(jobs: number, narrator: Narrator): Promise<Outcome> {
  const stop = new AbortController();
  const workers = Array.from({ length: jobs }, (_, index) => worker(index, narrator, stop.signal));
  // What one of them died of is said at once, and not when the others are through.
  const outcomes = await Promise.all(workers).finally(() => stop.abort());
  const [first, ...others] = outcomes;
  if (first === undefined) throw new Error("no processes");
  for (const { tally, findings } of others) {
    addTally(first.tally, tally);
    for (const finding of findings) {
      const same = first.findings.find(({ signature }) => signature === finding.signature);
      if (same === undefined) first.findings.push(finding);
      else same.seeds.push(...finding.seeds);
    }
  }
  return first;
}

function worker(index: number, narrator: Narrator, stop: AbortSignal): Promise<Outcome> {
  const [, script = ""] = process.argv;
  const child = spawn(process.execPath, [script, ...process.argv.slice(2), "--share", String(index)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    signal: stop,
  });
  return new Promise((resolve, reject) => {
    let outcome: Outcome | null = null;
    child.on("message", (message: Message) => {
      if ("outcome" in message) outcome = message.outcome;
      else if ("finding" in message) narrator.found(message.finding);
      else narrator.progress();
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (outcome !== null) resolve(outcome);
      else reject(new Error(`a process of the fuzzer ended with status ${code}`));
    });
  });
}

function report({ tally, findings }: Outcome, seconds: number): void {
  const { programs, runs, executed, leftOut, coverage } = tally;
  for (const line of printCoverage(coverage)) console.log(line);
  console.log(`${programs} programs, ${runs} packets, ${executed} instructions executed, in ${seconds.toFixed(0)} s.`);
  const limits = Object.entries(leftOut).map(
    ([limit, seeds]) =>
      `${seeds.length} exceed ${limit} (seeds ${seeds.slice(0, 5).join(", ")}${seeds.length > 5 ? ", …" : ""})`,
  );
  console.log(limits.length === 0 ? "None left out." : `Left out: ${limits.join(", ")}.`);
  for (const { signature, seeds } of findings) console.log(`${seeds.length} failed: ${signature} (seeds ${seeds.join(", ")}).`);
  if (findings.length === 0) console.log("Everything agreed.");
}
