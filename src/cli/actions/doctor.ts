/** `wirescript doctor`: shows findings, and runs their safe commands when it is told to. */
import { spawnSync } from "node:child_process";
import { createInterface } from "node:readline/promises";
import { setTimeout } from "node:timers/promises";
import { type Diagnosis, diagnose, type Finding } from "../../doctor/index.ts";
import { WirescriptError } from "../../errors.ts";
import { BIN, ownCommand, shellWord } from "../own-command.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { paint, printable, say, sayJson } from "../terminal.ts";

export interface DoctorOptions {
  fix?: boolean;
  yes?: boolean;
  json?: boolean;
  netns?: string;
}

/** The exit status of a doctor who found something. */
const FINDINGS = 1;
/** How long a device may take to find its carrier. */
const CARRIER_MS = 2000;

export async function doctor(devices: readonly string[], options: DoctorOptions): Promise<number> {
  await mustBeAbleTo("look at programs and devices");
  if (options.fix === true && options.yes !== true && process.stdin.isTTY !== true) throw nobodyToAsk();
  const examine = (): Diagnosis =>
    diagnose({
      devices,
      netns: options.netns !== undefined && /^\d+$/.test(options.netns) ? Number(options.netns) : options.netns,
    });
  let diagnosis = examine();
  if (options.fix === true && (await mend(diagnosis.findings, options.yes === true))) diagnosis = await examineSettled(examine);
  if (options.json === true) sayJson(diagnosis);
  else show(diagnosis, devices, options);
  return diagnosis.findings.length === 0 ? 0 : FINDINGS;
}

function show({ devices, findings }: Diagnosis, asked: readonly string[], { netns }: DoctorOptions): void {
  for (const [index, finding] of findings.entries()) {
    say(`${paint("bold", `${index + 1}. ${printable(finding.what)}`)} ${paint("dim", `[${finding.id}]`)}`);
    for (const [label, text] of [
      ["evidence", finding.evidence],
      ["why", finding.why],
      ["fix", `${runnable(finding, ownCommand())}${finding.fix.safe ? "" : paint("dim", "   (not done by --fix)")}`],
    ] as const) {
      say(`   ${paint("bold", `${label}:`.padEnd(9))} ${printable(text)}`);
    }
    say();
  }
  if (devices.length === 0) {
    say("No device has an XDP or TC program. Name a device to have it examined all the same: wirescript doctor DEV");
    return;
  }
  if (findings.length === 0) {
    say(`Nothing found that would make packets vanish. Looked at ${devices.join(", ")}.`);
    return;
  }
  const safe = findings.filter(({ fix }) => fix.safe).length;
  const total = `${findings.length} ${findings.length === 1 ? "finding" : "findings"} at ${devices.join(", ")}`;
  const again = [
    ownCommand(),
    "doctor",
    ...(netns === undefined ? [] : ["--netns", shellWord(netns)]),
    ...asked.map(shellWord),
    "--fix",
  ].join(" ");
  say(safe === 0 ? `${total}.` : `${total}; ${safe} can be mended by --fix: ${again}`);
}

/** Runs the safe fixes that are agreed to. @returns whether any was run. @throws WirescriptError KERNEL when one failed. */
async function mend(findings: readonly Finding[], unasked: boolean): Promise<boolean> {
  let changed = false;
  for (const finding of findings.filter(({ fix }) => fix.safe)) {
    const command = runnable(finding, ownCommand());
    if (!unasked && !(await agreed(`${finding.what}\n  ${command}\nRun it? [y/N] `))) continue;
    process.stderr.write(`${paint("dim", `# ${command}`, process.stderr)}\n`);
    run(runnable(finding, `${shellWord(process.execPath)} ${shellWord(BIN)}`), command);
    changed = true;
  }
  return changed;
}

/** A device that was just set up has its carrier a moment later. */
async function examineSettled(examine: () => Diagnosis): Promise<Diagnosis> {
  const deadline = Date.now() + CARRIER_MS;
  for (;;) {
    const diagnosis = examine();
    if (Date.now() > deadline || !diagnosis.findings.some(({ id }) => id === "link-down")) return diagnosis;
    await setTimeout(50);
  }
}

async function agreed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(printable(question))).trim());
  } finally {
    terminal.close();
  }
}

function run(command: string, shown: string): void {
  const { status, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
  if (status === 0) return;
  throw new WirescriptError({
    code: "KERNEL",
    what: `The command failed: ${shown}`,
    why: stderr.trim() || `Its exit status was ${status}.`,
    fix: "Run it yourself to see more. What was run before it stays.",
  });
}

/** The command with `ours` for our own. */
function runnable({ fix }: Finding, ours: string): string {
  return fix.command.replaceAll(/\bwirescript (?=load|unload|maps|unpin|lab)/g, `${ours} `);
}

function nobodyToAsk(): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: "--fix asks before it changes anything, and there is nobody to ask.",
    why: "The standard input is not a terminal.",
    fix: "Add --yes to have the safe commands run without asking, or look first, without --fix.",
  });
}
