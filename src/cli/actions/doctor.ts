/** `wirescript doctor`: shows findings, and runs their safe commands when it is told to. */
import { spawnSync } from "node:child_process";
import { createInterface } from "node:readline/promises";
import { setTimeout } from "node:timers/promises";
import {
  type Diagnosis,
  diagnose,
  diagnosePacket,
  type Finding,
  type Path,
  type PathOptions,
  Watch,
} from "../../doctor/index.ts";
import { WirescriptError } from "../../errors.ts";
import { Interruption } from "../interruption.ts";
import { BIN, ownCommand, shellWord } from "../own-command.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { paint, printable, say, sayJson } from "../terminal.ts";

export interface DoctorOptions {
  fix?: boolean;
  yes?: boolean;
  json?: boolean;
  netns?: string;
  packet?: string;
  in?: string;
  length?: number;
  /** Seconds. */
  watch?: number;
}

/** The exit status of a doctor who found something. */
const FINDINGS = 1;
/** How long a device may take to find its carrier. */
const CARRIER_MS = 2000;

export async function doctor(devices: readonly string[], options: DoctorOptions): Promise<number> {
  await mustBeAbleTo("look at programs and devices");
  if (options.fix === true && options.yes !== true && process.stdin.isTTY !== true) throw nobodyToAsk();
  const netns = options.netns !== undefined && /^\d+$/.test(options.netns) ? Number(options.netns) : options.netns;
  const question = questionOf(devices, options);
  const examine = (): Diagnosis & { packet?: Path } =>
    question === null ? diagnose({ devices, netns }) : diagnosePacket({ ...question, netns });
  const seen = options.watch === undefined ? [] : await watched(options.watch, { devices, netns }, options.json === true);
  let diagnosis = examine();
  if (options.fix === true && (await mend(diagnosis.findings, options.yes === true))) diagnosis = await examineSettled(examine);
  // What was seen comes before what might happen.
  diagnosis = { ...diagnosis, findings: [...seen, ...diagnosis.findings] };
  if (options.json === true) sayJson(diagnosis);
  else show(diagnosis, devices, options);
  return diagnosis.findings.length === 0 ? 0 : FINDINGS;
}

/** What gets lost in so many seconds. */
async function watched(seconds: number, subject: { devices: readonly string[]; netns?: string | number }, quiet: boolean) {
  // What is wrong with the command line is said before.
  diagnose(subject);
  using interruption = new Interruption();
  using watch = new Watch();
  if (!quiet) process.stderr.write(`Counting for ${seconds} s what the kernel loses in XDP: send packets now.\n`);
  await interruption.pause(seconds, "The kernel has stopped counting; nothing else was changed.");
  return watch.findings(subject);
}

/** The packet that is asked about; null when it is about devices. @throws WirescriptError USAGE for options that do not go together. */
function questionOf(devices: readonly string[], options: DoctorOptions): Omit<PathOptions, "netns"> | null {
  const { packet, in: inBy, length } = options;
  if (packet === undefined) {
    if (inBy === undefined && length === undefined) return null;
    throw togetherOnly(inBy === undefined ? "--length" : "--in");
  }
  if (devices.length === 0) return { packet, inBy, length };
  throw new WirescriptError({
    code: "USAGE",
    what: `It is about a packet or about devices, and both are named: ${devices.join(", ")}.`,
    why: "A packet comes in by one device, which --in names.",
    fix: `Write --in ${devices[0]}, or leave out --packet.`,
  });
}

function togetherOnly(option: string): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `${option} says something of a packet, and no packet is named.`,
    why: "Without --packet the question is about devices.",
    fix: 'For example: wirescript doctor --packet "10.11.1.2 > 10.11.2.2" --in eth0',
  });
}

function show(
  { devices, findings, packet }: Diagnosis & { packet?: Path },
  asked: readonly string[],
  options: DoctorOptions,
): void {
  const { netns } = options;
  if (packet !== undefined) sayPath(packet);
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
    const subject = packet === undefined ? "packets vanish" : "this packet vanish";
    say(`Nothing found that would make ${subject}. Looked at ${devices.join(", ")}.`);
    return;
  }
  const safe = findings.filter(({ fix }) => fix.safe).length;
  const total = `${findings.length} ${findings.length === 1 ? "finding" : "findings"} at ${devices.join(", ")}`;
  const again = [
    ownCommand(),
    "doctor",
    ...(netns === undefined ? [] : ["--netns", shellWord(netns)]),
    ...asked.map(shellWord),
    ...(["packet", "in", "length", "watch"] as const).flatMap((name) =>
      options[name] === undefined ? [] : [`--${name}`, shellWord(`${options[name]}`)],
    ),
    "--fix",
  ].join(" ");
  say(safe === 0 ? `${total}.` : `${total}; ${safe} can be mended by --fix: ${again}`);
}

function sayPath({ from, to, in: inBy, result, out, askers }: Path): void {
  const place = ({ netns, dev }: Path["in"]) => (netns === null ? `${dev}` : `${dev} (in ${netns})`);
  const way = out === null ? "is not forwarded" : `leaves by ${place(out.place)}`;
  say(paint("bold", printable(`${from} > ${to} comes in by ${place(inBy)} and ${way}.`)));
  const answer = result.code < 0 ? `fails with ${result.name}` : `BPF_FIB_LKUP_RET_${result.name} (${result.code})`;
  const lines: [string, string][] = [["lookup", answer]];
  if (out !== null) {
    const hop = out.nextHop === to ? "the receiver itself" : out.nextHop;
    lines.push(["next hop", out.macs === null ? hop : `${hop}, at ${out.macs.to}, sent from ${out.macs.from}`]);
    if (out.mtu !== null) lines.push(["MTU", `${out.mtu}`]);
  }
  const names = askers.map(({ id, name }) => `"${name}" (id ${id})`);
  lines.push(["asked by", names.length === 0 ? `no program on ${inBy.dev}: the network stack routes there` : names.join(", ")]);
  for (const [label, text] of lines) say(`   ${paint("bold", `${label}:`.padEnd(9))} ${printable(text)}`);
  say();
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
  return fix.command.replaceAll(/\bwirescript (?=load|unload|maps|progs|monitor|unpin|lab)/g, `${ours} `);
}

function nobodyToAsk(): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: "--fix asks before it changes anything, and there is nobody to ask.",
    why: "The standard input is not a terminal.",
    fix: "Add --yes to have the safe commands run without asking, or look first, without --fix.",
  });
}
