/** `wirescript lab VERB`: what each verb does, and what it says. */
import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import { WirescriptError } from "../../errors.ts";
import {
  alias,
  enter,
  exec,
  formatStatus,
  INSIDE_DEVICE,
  type Lab,
  openLab,
  pinDirectory,
  reset,
  setup,
  status,
  type TeardownResult,
  tcpdump,
  teardown,
  wakePeer,
} from "../../lab/index.ts";
import { getLink } from "../../sys/netlink/index.ts";
import { redirectFrames } from "../../tutorials/redirect-params.ts";
import { loadOptions } from "../commands/load.ts";
import { statsOptions } from "../commands/stats.ts";
import { unloadOptions } from "../commands/unload.ts";
import { Interruption } from "../interruption.ts";
import { positiveNumber, wholePositive } from "../numbers.ts";
import { BIN, shellWord } from "../own-command.ts";
import { paint, say, sayJson } from "../terminal.ts";
import { speaksForItself } from "../usage.ts";
import { noSuchVerb } from "../verbs.ts";
import { networkVerb } from "./lab-network.ts";
import { pingLab } from "./lab-ping.ts";
import { loadBy, statsBy, unloadBy } from "./lab-tools.ts";
import { type LoadCommandOptions, load } from "./load.ts";
import { type StatsOptions, stats } from "./stats.ts";
import { type UnloadOptions, unload } from "./unload.ts";

export interface LabOptions {
  name?: string;
  genNew?: boolean;
  legacyIp?: boolean;
  vlan?: boolean;
  inner?: boolean;
  /** Programs to use instead of our own commands. */
  loader?: string;
  stats?: string;
  count?: number;
  /** Seconds. */
  interval?: number;
  json?: boolean;
  /** setup: a lab with that many hosts. */
  hosts?: number;
  /** setup: a router in the middle of the hosts, and not a switch. */
  router?: boolean;
  /** The number of a host. */
  host?: number;
}

/** Runs a verb and returns the exit status. `args` are what follows the verb, and all that follows `--`. */
export type Verb = (args: string[], options: LabOptions) => Promise<number> | number;

const VERBS: Record<string, Verb> = {
  setup: setUp,
  teardown: tearDown,
  reset: resetLab,
  exec: execute,
  enter: async (args, options) => (await enter(labWithout(args, "enter", options))).exitCode,
  ping: pingVerb,
  load: loadVerb,
  unload: unloadVerb,
  stats: statsVerb,
  redirect: redirectBetween,
  tcpdump: async (args, options) => (await tcpdump(openLab(options), args, { inner: options.inner })).exitCode,
  status: showStatus,
  st: showStatus,
  sta: showStatus,
  alias: printAlias,
};

/** @throws WirescriptError USAGE for a verb that there is not, and whatever the verb throws. */
export async function lab(verb: string | undefined, args: string[], options: LabOptions, command: Command): Promise<number> {
  if (verb === undefined) command.help({ error: true });
  if (verb === "help") {
    command.outputHelp();
    return 0;
  }
  // Own properties only: "constructor" is no verb.
  const run = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  const runWithHosts = networkVerb(verb, options);
  if (runWithHosts !== undefined) return await runWithHosts(args, options);
  if (run !== undefined) return await run(args, withoutHost(verb, options));
  throw noSuchVerb("lab", verb, Object.keys(VERBS));
}

/** Host numbers are for labs with hosts. */
function withoutHost(verb: string, options: LabOptions): LabOptions {
  const given = (["host", "router"] as const).find((option) => options[option] !== undefined);
  if (given === undefined) return options;
  // That there is no such lab is the better answer.
  if (verb !== "setup") openLab(options);
  throw new WirescriptError({
    code: "USAGE",
    what: `--${given} is for labs with hosts.`,
    why: verb === "setup" ? "Without --hosts, setup makes a lab of one host." : "This lab has one host.",
    fix: "A lab with hosts is made by: wirescript lab setup --name office --hosts 4",
  });
}

async function setUp(args: string[], { name, genNew, legacyIp, vlan }: LabOptions): Promise<number> {
  nothingMore(args, "setup");
  using interruption = new Interruption();
  await setup({ name, generateNew: genNew, legacyIp, vlan, say, signal: interruption.signal });
  return 0;
}

async function tearDown(args: string[], { name }: LabOptions): Promise<number> {
  nothingMore(args, "teardown");
  const result = await teardown({ name, say });
  describeTeardown(result);
  return 0;
}

/** The tutorial's environment says nothing when all went well; what is out of the ordinary is said. */
function describeTeardown({ name, missing, processes }: TeardownResult): void {
  if (missing.length > 0) process.stderr.write(`It had no ${missing.join(" and no ")} any more.\n`);
  describeProcesses(name, processes);
}

/** Who keeps the namespaces of a lab alive that is gone. */
export function describeProcesses(name: string, processes: TeardownResult["processes"]): void {
  for (const { pid, command } of processes) {
    const line = `Process ${pid} (${command}) still runs in the namespace of '${name}', which has no name now and ends with it.`;
    process.stderr.write(`${paint("yellow", line, process.stderr)}\n`);
  }
}

async function resetLab(args: string[], { name }: LabOptions): Promise<number> {
  nothingMore(args, "reset");
  using interruption = new Interruption();
  await reset({ name, say, signal: interruption.signal });
  return 0;
}

async function execute(args: string[], options: LabOptions): Promise<number> {
  // What is wrong with the line is said before what is wrong with the lab.
  const command = commandOf(args);
  return (await exec(openLab(options), command)).exitCode;
}

export function commandOf(args: string[]): [string, ...string[]] {
  const [file, ...rest] = args;
  if (file === undefined) {
    throw new WirescriptError({
      code: "USAGE",
      what: "There is no command to run inside.",
      why: "exec runs what follows it.",
      fix: "For example: wirescript lab exec -- ip address",
    });
  }
  return [file, ...rest];
}

async function pingVerb(args: string[], options: LabOptions): Promise<number> {
  return await pingLab(openLab(options), { ...options, ...pingOptions(args) });
}

/** What stands behind the verb ping. */
export function pingOptions(args: string[]) {
  const { operands, given } = parse<{ count?: number; interval?: number; size?: number }>("ping", args, [
    new Option("-c, --count <pings>").argParser(wholePositive),
    new Option("-i, --interval <seconds>").argParser(positiveNumber),
    new Option("-s, --size <bytes>").argParser(wholePositive),
  ]);
  nothingMore(operands, "ping");
  return given;
}

/** As the tutorial has it: the object is xdp_prog_kern.o in this directory when none is given. */
const TUTORIAL_OBJECT = "xdp_prog_kern.o";

async function loadVerb(args: string[], options: LabOptions): Promise<number> {
  if (options.loader !== undefined) return await loadBy(options.loader, openLab(options), args);
  const { operands, given } = parse<LoadCommandOptions>("load", args, loadOptions());
  const [file = TUTORIAL_OBJECT, ...more] = operands;
  nothingMore(more, "load");
  if (operands.length === 0 && !existsSync(file)) {
    throw new WirescriptError({
      code: "USAGE",
      what: "Which program is to be loaded?",
      why: `No file is given, and there is no ${TUTORIAL_OBJECT} in this directory.`,
      fix: "For example: wirescript lab load echo.bpf.ts; options of the loader go after --, as in -- --force echo.bpf.ts",
    });
  }
  const lab = openLab(options);
  await load(lab.name, file, given);
  if (wakePeer(lab)) {
    say(`Note:       ${INSIDE_DEVICE} inside had no XDP program and now has one that passes everything: without one, what`);
    say("            a program sends back by XDP_TX does not arrive there.");
  }
  return 0;
}

async function unloadVerb(args: string[], options: LabOptions): Promise<number> {
  if (options.loader !== undefined) return await unloadBy(options.loader, openLab(options), args);
  const { operands, given } = parse<UnloadOptions>("unload", args, unloadOptions());
  nothingMore(operands, "unload");
  await unload(openLab(options).name, given);
  return 0;
}

async function statsVerb(args: string[], options: LabOptions): Promise<number> {
  if (options.stats !== undefined) return await statsBy(options.stats, openLab(options), args);
  const { operands, given } = parse<StatsOptions>("stats", args, statsOptions());
  nothingMore(operands, "stats");
  const { count, interval, json } = options;
  const outer = Object.fromEntries(Object.entries({ count, interval, json }).filter(([, value]) => value !== undefined));
  await stats(openLab(options).name, { ...given, ...outer });
  return 0;
}

/** What the tutorial's `t redirect A B` does by its xdp_prog_user: frames of one inside go to the other one's, both ways. */
function redirectBetween(args: string[], options: LabOptions): number {
  const [first, second, ...more] = args;
  if (first === undefined || second === undefined || first === second) {
    throw new WirescriptError({
      code: "USAGE",
      what: "redirect needs two labs.",
      why: "It tells each of them where the other one is.",
      fix: "For example: wirescript lab redirect right left",
    });
  }
  nothingMore(more, "redirect");
  const labs = [first, second].map((name) => openLab({ ...options, name }));
  for (const [from, to] of [labs, labs.toReversed()] as [Lab, Lab][]) {
    const { ifindex } = getLink(to.name);
    redirectFrames(pinDirectory(from.name), { ifindex, source: from.insideMac, destination: to.insideMac });
    say(`redirect from ${from.name} to ${to.name} (ifindex ${ifindex}), forward: ${from.insideMac} -> ${to.insideMac}`);
  }
  return 0;
}

function showStatus(args: string[], { name, json }: LabOptions): number {
  nothingMore(args, "status");
  const known = status({ name });
  // Of a lab whose making was killed there is nothing to show but that.
  if (name !== undefined && known.selected === null && known.network === null && !known.unfinished.includes(name))
    openLab({ name });
  if (json === true) sayJson(known);
  else say(formatStatus(known).join("\n"));
  return 0;
}

function printAlias(args: string[]): number {
  nothingMore(args, "alias");
  // Node's own path too: sudo may look for it elsewhere.
  const program = `${shellWord(process.execPath)} ${shellWord(BIN)} lab`;
  const { line, notes } = alias(program, { asRoot: process.geteuid?.() === 0, forTerminal: process.stdout.isTTY === true });
  say(line);
  for (const note of notes) process.stderr.write(`${note}\n`);
  return 0;
}

function labWithout(args: string[], verb: string, options: LabOptions): Lab {
  nothingMore(args, verb);
  return openLab(options);
}

export function nothingMore(args: readonly string[], verb: string): void {
  if (args.length === 0) return;
  throw new WirescriptError({
    code: "USAGE",
    what: `${verb} has no use for "${args.join(" ")}".`,
    why: "A lab's name is given with --name, and options of a child go after --.",
    fix: "See the examples: wirescript lab --help",
  });
}

/** What stands behind the verb, by the options of the command that the verb stands for. @throws WirescriptError USAGE */
function parse<Given extends object>(verb: string, args: string[], options: readonly Option[]) {
  const command = speaksForItself(new Command(`wirescript lab ${verb}`)).argument("[operands...]");
  for (const option of options) command.addOption(option);
  command.helpOption(false).parse(args, { from: "user" });
  return { operands: command.args, given: command.opts<Given>() };
}
