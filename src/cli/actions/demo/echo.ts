/**
 * `wirescript demo echo`: the whole way in a few seconds. A lab of its own, `echo.bpf.ts` compiled and attached in the driver, pings from
 * inside over both families, and the program's counters, which must be exactly the pings. It leaves nothing, also when it fails or is
 * interrupted: the attachment is a bpf_link, which ends with this process at the latest, and the lab is torn down.
 */

import { WirescriptError } from "../../../errors.ts";
import { type LoadedObject, loadSpec } from "../../../index.ts";
import { INSIDE_DEVICE, type Lab, type PingResult, ping, setup, teardown, wakePeer } from "../../../lab/index.ts";
import { packageFile } from "../../../package.ts";
import { ACTION_HEADING, actionLine, actionRows } from "../../counter-table.ts";
import { ACTIONS, type Counter, readCounters, STATS_MAP } from "../../counters.ts";
import { Interruption } from "../../interruption.ts";
import { ownCommand, ownFile } from "../../own-command.ts";
import { pinDirectoryOf } from "../../pins.ts";
import { mustBeAbleTo } from "../../preflight.ts";
import { instructionCount, openProgramFile } from "../../program-file.ts";
import { paint, say } from "../../terminal.ts";
import { Surroundings, sayCommands, shellOfUser, step } from "./stage.ts";

const PROGRAM_FILE = "src/programs/echo.bpf.ts";
const PINGS = 5;
const PING_INTERVAL_MS = 100;
const NOTHING_LEFT = "The lab and the program are gone; nothing is left behind.";

export async function demoEcho(keep: boolean): Promise<void> {
  await mustBeAbleTo("make a lab and attach programs");
  using interruption = new Interruption();
  // Compiled first: what does not need a lab can fail without one.
  const source = await openProgramFile(packageFile(PROGRAM_FILE));
  await interruption.checkpoint("Nothing was made yet.");

  const before = new Surroundings();
  const name = `demo-${process.pid}`;
  say(paint("bold", "A TypeScript program answers pings in the network driver."));
  say();
  let lab: Lab | null = null;
  let kept = false;
  try {
    lab = await setup({ name, legacyIp: true, signal: interruption.signal });
    await show(lab, source, interruption, keep);
    kept = keep;
  } finally {
    if (!kept) await cleanUp(lab, before);
  }
  suggest(lab, kept);
}

async function show(
  lab: Lab,
  source: Awaited<ReturnType<typeof openProgramFile>>,
  interruption: Interruption,
  keep: boolean,
): Promise<void> {
  const { ip4, ip6 } = lab.plan;
  // IPv4 was asked for, and the number given out accordingly.
  const destinations = [...(ip4 === null ? [] : [ip4.outside]), ip6.outside];
  step(1, "A lab: a network namespace, and a virtual cable into it");
  say(`     outside  ${lab.name.padEnd(12)}  ${ip4?.outside}  ${ip6.outside}`);
  say(`     inside   ${INSIDE_DEVICE.padEnd(12)}  ${ip4?.inside}  ${ip6.inside}`);

  const begin = performance.now();
  using object: LoadedObject = loadSpec(source.spec, keep ? { pinPath: pinDirectoryOf(lab.name) } : {});
  const loading = performance.now() - begin;
  const [spec] = source.spec.programs;
  if (spec === undefined) throw new Error(`${PROGRAM_FILE} has no program`);
  const program = object.program(spec.name);
  wakePeer(lab);
  const where = { dev: lab.name, mode: "native" } as const;
  if (keep) program.attachPersistently(where);
  else program.attach(where);
  const counters = object.map(STATS_MAP);
  const start = readCounters(counters);
  step(2, `${ownFile(PROGRAM_FILE)}, compiled and attached to ${lab.name} in native mode`);
  const how = source.origin === "compiled" ? "compiled" : "taken from the cache of compilations";
  say(`     ${instructionCount(spec)} eBPF instructions, ${how} in ${source.milliseconds.toFixed(0)} ms`);
  say(`     program id ${program.info().id}, loaded and verified by the kernel in ${loading.toFixed(1)} ms`);
  await interruption.checkpoint(NOTHING_LEFT);

  step(3, "Pings from inside, answered before the kernel's network stack sees them");
  const results = await pingAll(lab, destinations, interruption);
  for (const result of results) say(`     ${result.destination.padEnd(20)}  ${describePings(result)}`);

  step(4, `What the program counted in its map ${STATS_MAP}`);
  const end = readCounters(counters);
  say(`     ${ACTION_HEADING}`);
  for (const row of actionRows(start, end))
    say(`     ${row.action === "XDP_TX" ? paint("green", actionLine(row)) : actionLine(row)}`);
  verify(results, start, end);
  say(`     XDP_TX counts exactly the ${results.reduce((sum, { sent }) => sum + sent, 0)} pings.`);
}

async function pingAll(lab: Lab, destinations: readonly string[], interruption: Interruption): Promise<PingResult[]> {
  const results: PingResult[] = [];
  for (const destination of destinations) {
    const { signal } = interruption;
    results.push(await ping({ destination, namespace: lab.name, count: PINGS, intervalMs: PING_INTERVAL_MS, signal }));
    await interruption.checkpoint(NOTHING_LEFT);
  }
  return results;
}

function describePings({ sent, received, roundTripMs }: PingResult): string {
  const answered = `${received} of ${sent} answered`;
  return roundTripMs === null
    ? answered
    : `${answered}, ${microseconds(roundTripMs.average)} on average (${microseconds(roundTripMs.min)} to ${microseconds(roundTripMs.max)})`;
}

function microseconds(milliseconds: number): string {
  return `${(milliseconds * 1000).toFixed(0)} µs`;
}

/** The demo must not show something that did not happen. */
function verify(results: readonly PingResult[], start: readonly Counter[], end: readonly Counter[]): void {
  const sent = results.reduce((sum, each) => sum + each.sent, 0);
  const received = results.reduce((sum, each) => sum + each.received, 0);
  const tx = ACTIONS.indexOf("XDP_TX");
  const counted = (end[tx]?.packets ?? 0n) - (start[tx]?.packets ?? 0n);
  if (received === sent && counted === BigInt(sent)) return;
  const invalid = results.flatMap(({ probes }) => probes.flatMap((probe) => probe.invalid));
  throw new WirescriptError({
    code: "LAB",
    what: `Of ${sent} pings ${received} were answered, and the program counted ${counted}.`,
    why: invalid[0] === undefined ? "Packets were lost, or something else sent some." : `A reply was wrong: ${invalid[0]}.`,
    fix: "Try again; if it stays so, please report it with the output of wirescript demo --debug and uname -a.",
  });
}

/** Takes back everything, each step also when another one fails. */
async function cleanUp(lab: Lab | null, before: Surroundings): Promise<void> {
  try {
    // A setup that failed has cleaned up after itself.
    if (lab !== null) await teardown({ name: lab.name });
  } finally {
    before.restore();
  }
}

function suggest(lab: Lab, kept: boolean): void {
  const command = ownCommand();
  const lines = kept
    ? [
        ["Look at it:", ""],
        [`${command} status ${lab.name}`, "the program on the device"],
        [`${command} stats ${lab.name} --count 1`, "its counters; without --count, live"],
        [`${command} lab ping --name ${lab.name} --legacy-ip --count 3`, "more pings from inside"],
        [`${command} lab exec --name ${lab.name} -- ${shellOfUser()}`, "a shell inside"],
        ["Remove it, lab, program and pins:", ""],
        [`${command} lab teardown --name ${lab.name}`, ""],
      ]
    : [
        ["It is all gone again. Try next:", ""],
        [`${command} demo echo --keep`, "the same, and look around in it"],
        [`${command} build ${ownFile(PROGRAM_FILE)} --emit asm`, "the instructions"],
        [`${command} check ${ownFile(PROGRAM_FILE)}`, "change the program first: it says what is wrong"],
        [`${command} lab --help`, "labs of your own"],
        [`${command} --help`, "everything else"],
      ];
  sayCommands(lines);
}
