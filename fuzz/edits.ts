/** The command line of the editing fuzzer: `node fuzz/edits.js --help`. A process of its own does the work, so that a hang is seen. */
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type EditVerdict, runEdit } from "./edit-case.ts";
import { type EditedModule, editedModule, validModules } from "./edited-modules.ts";
import { Random } from "./random.ts";

const HELP = `Usage: node fuzz/edits.js [options]

Edits valid modules at random (tokens deleted, doubled, swapped, replaced; lines moved; files cut; bytes inserted) and compiles them.
Each must give diagnostics or a program, and the kernel must take the programs.

  --count N      edited modules (100000)
  --seed N       seed of the first (1); the others follow
  --load N       load every N-th program that compiles into the kernel (4); 0 loads none, and needs no root
  --case SEED    only this one, and print its text
`;

/** Seconds of processor time without any progress that count as a hang: a busy machine is none. */
const HANG = 60;

type Tally = Record<EditVerdict["kind"], number>;
/** `after`: seconds of processor time that the process had used before. */
type Begun = { begun: number; after: number };
type Progress = { at: number; tally: Tally };
type Finding = { seed: number; what: string };

/** Returns the exit status: 0 when nothing failed, 1 when something did, 2 when the command line is wrong. */
export async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "100000" },
      seed: { type: "string", default: "1" },
      load: { type: "string", default: "4" },
      case: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const [count, seed, load] = [values.count, values.case ?? values.seed, values.load].map(Number);
  if (values.help || !isWhole(count) || !isWhole(seed) || !isWhole(load)) {
    console.log(HELP);
    return values.help ? 0 : 2;
  }
  const originals = validModules();
  if (values.case !== undefined) {
    const edited = moduleOf(originals, seed);
    console.log(edited.text);
    const verdict = runEdit(edited.text, load > 0);
    console.log(verdict.kind === "failed" ? verdict.what : verdict.kind);
    return verdict.kind === "failed" ? 1 : 0;
  }
  if (process.send !== undefined) {
    work(originals, seed, seed + count, load);
    return 0;
  }
  return watch(seed, count, load);
}

function isWhole(value: number | undefined): value is number {
  return value !== undefined && Number.isInteger(value) && value >= 0;
}

function moduleOf(originals: ReturnType<typeof validModules>, seed: number): EditedModule {
  return editedModule(originals, new Random(seed));
}

const STEP = 200;

/** In the working process: runs the seeds from `first` up to `end`, and tells how far it is. */
function work(originals: ReturnType<typeof validModules>, first: number, end: number, load: number): void {
  const tally: Tally = { diagnosed: 0, accepted: 0, loaded: 0, tooComplex: 0, failed: 0 };
  let accepted = 0;
  for (let seed = first; seed < end; seed++) {
    process.send?.({ begun: seed, after: processorTime(process.pid) });
    const { text, name, edits } = moduleOf(originals, seed);
    const verdict = runEdit(text, load > 0 && accepted % load === 0);
    if (verdict.kind !== "diagnosed") accepted++;
    tally[verdict.kind]++;
    if (verdict.kind === "failed") process.send?.({ seed, what: `${name} (${edits.join(", ")}): ${verdict.what}` });
    if ((seed - first) % STEP === STEP - 1 || seed === end - 1) process.send?.({ at: seed + 1, tally });
  }
}

/** Watches the working process, and starts it anew behind a seed that hung or crashed it. */
async function watch(first: number, count: number, load: number): Promise<number> {
  const total: Tally = { diagnosed: 0, accepted: 0, loaded: 0, tooComplex: 0, failed: 0 };
  const findings: Finding[] = [];
  const end = first + count;
  const started = performance.now();
  for (let next = first; next < end; ) {
    const run = await workUntilItEnds(next, end - next, load, (finding) => {
      findings.push(finding);
      console.log(`seed ${finding.seed}: ${finding.what}\n`);
    });
    for (const key of Object.keys(total) as (keyof Tally)[]) total[key] += run.tally[key];
    if (run.done) break;
    total.failed++;
    findings.push({ seed: run.seed, what: run.what });
    console.log(`seed ${run.seed}: ${run.what}\n`);
    next = run.seed + 1;
  }
  const minutes = ((performance.now() - started) / 60_000).toFixed(1);
  console.log(
    `${count} edited modules in ${minutes} minutes: ${total.diagnosed} diagnosed, ${total.accepted + total.loaded + total.tooComplex} compiled, ` +
      `of which ${total.loaded} were loaded and ${total.tooComplex} needed more than the verifier's million instructions.`,
  );
  console.log(total.failed === 0 ? "Nothing failed." : `${total.failed} failed.`);
  return total.failed === 0 ? 0 : 1;
}

type Run = { tally: Tally; done: true } | { tally: Tally; done: false; seed: number; what: string };

function workUntilItEnds(seed: number, count: number, load: number, found: (finding: Finding) => void): Promise<Run> {
  const [, script = ""] = process.argv;
  const child = fork(script, ["--seed", String(seed), "--count", String(count), "--load", String(load)]);
  let tally: Tally = { diagnosed: 0, accepted: 0, loaded: 0, tooComplex: 0, failed: 0 };
  let current = seed;
  let [begun, hung] = [0, false];
  const look = setInterval(() => {
    hung = child.pid !== undefined && processorTime(child.pid) - begun > HANG;
    if (hung) child.kill("SIGKILL");
  }, 1000);
  return new Promise((resolve) => {
    child.on("message", (message: Begun | Progress | Finding) => {
      if ("begun" in message) [current, begun] = [message.begun, message.after];
      else if ("what" in message) found(message);
      else {
        tally = { ...message.tally };
        if ((message.at - seed) % 5000 === 0)
          console.error(`${new Date().toISOString()} seed ${message.at}: ${JSON.stringify(tally)}`);
      }
    });
    child.on("exit", (status, signal) => {
      clearInterval(look);
      if (status === 0) return resolve({ tally, done: true });
      const what = hung
        ? `it hung for ${HANG} seconds of processor time`
        : `the process ended with ${signal ?? `status ${status}`}`;
      resolve({ tally, done: false, seed: current, what });
    });
  });
}

/** Seconds that a process has used so far; `utime` and `stime` of proc_pid_stat(5), in hundredths. 0 when it has ended. */
function processorTime(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}
