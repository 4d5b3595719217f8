/** `wirescript lab VERB` for labs with hosts. */
import { WirescriptError } from "../../errors.ts";
import {
  allPairs,
  enter,
  exec,
  type Inside,
  isNetwork,
  type Network,
  openNetwork,
  type PairResult,
  pingPairs,
  resetNetwork,
  SWITCH_DEVICE,
  setupNetwork,
  spawnInLab,
  tcpdump,
  teardownNetwork,
  untilExit,
} from "../../lab/index.ts";
import { Interruption } from "../interruption.ts";
import { say } from "../terminal.ts";
import { commandOf, describeProcesses, type LabOptions, nothingMore, pingOptions, type Verb } from "./lab.ts";

const VERBS: Record<string, Verb> = {
  teardown: tearDown,
  reset: resetLab,
  exec: async (args, options) => {
    const command = commandOf(args);
    return (await exec(inside(options), command)).exitCode;
  },
  enter: async (args, options) => {
    nothingMore(args, "enter");
    return (await enter(inside(options))).exitCode;
  },
  ping: pingVerb,
  tcpdump: tcpdumpVerb,
};

/** These are about the one device that other labs have outside. */
const FOR_ONE_DEVICE = new Set(["load", "unload", "stats", "redirect"]);

/** What the verb does when it is about a lab with hosts; undefined when it is not, or does what it always does. */
export function networkVerb(verb: string, options: LabOptions): Verb | undefined {
  if (verb === "setup") return options.hosts === undefined ? undefined : setUp;
  const own = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (own === undefined && !FOR_ONE_DEVICE.has(verb)) return undefined;
  if (!isNetwork(options)) return undefined;
  if (own !== undefined) return own;
  const { name } = openNetwork(options);
  throw new WirescriptError({
    code: "USAGE",
    what: `${verb} is for labs of one host.`,
    why: `'${name}' has a port for each of its hosts, and which one is meant is for you to say.`,
    fix: `Do it in the middle, for example: wirescript lab exec --name ${name} -- wirescript ${verb === "redirect" ? "load" : verb} host1`,
  });
}

async function setUp(args: string[], { name, genNew, hosts = 0, router, vlan }: LabOptions): Promise<number> {
  nothingMore(args, "setup");
  if (vlan === true) {
    throw new WirescriptError({
      code: "USAGE",
      what: "A lab with hosts has no VLANs.",
      why: "--vlan is for labs of one host.",
      fix: "Leave out --vlan, or --hosts.",
    });
  }
  using interruption = new Interruption();
  const middle = router === true ? "router" : "switch";
  await setupNetwork({ name, generateNew: genNew, hosts, middle, say, signal: interruption.signal });
  return 0;
}

async function tearDown(args: string[], { name }: LabOptions): Promise<number> {
  nothingMore(args, "teardown");
  const { name: gone, missing, processes } = await teardownNetwork({ name, say });
  if (missing.length > 0) process.stderr.write(`It had no namespace ${missing.join(" and no ")} any more.\n`);
  describeProcesses(gone, processes);
  return 0;
}

async function resetLab(args: string[], { name }: LabOptions): Promise<number> {
  nothingMore(args, "reset");
  using interruption = new Interruption();
  await resetNetwork({ name, say, signal: interruption.signal });
  return 0;
}

/** The host's namespace, or the middle. */
function inside(options: LabOptions): Inside {
  const network = openNetwork(options);
  return { name: options.host === undefined ? network.name : network.host(options.host).namespace, labName: network.name };
}

/** At the host's port in the middle, or with --inner on its own veth0. Without a host on the switch, or on all of the router's devices. */
async function tcpdumpVerb(args: string[], options: LabOptions): Promise<number> {
  const network = openNetwork(options);
  if (options.inner === true) return (await tcpdump(inside(mustHaveHost(options)), args, { inner: true })).exitCode;
  const device =
    options.host !== undefined ? network.host(options.host).port : network.middle === "switch" ? SWITCH_DEVICE : "any";
  const child = spawnInLab({ name: network.name }, ["tcpdump", "-nei", device, ...args]);
  return (await untilExit(child, "tcpdump")).exitCode;
}

function mustHaveHost(options: LabOptions): LabOptions {
  if (options.host !== undefined) return options;
  throw new WirescriptError({
    code: "USAGE",
    what: "At which host?",
    why: "--inner is a host's own device.",
    fix: "Add --host 1.",
  });
}

/** Every host pings every other one, or with --host that one all others, once or --count times; one line a pair. */
async function pingVerb(args: string[], options: LabOptions): Promise<number> {
  const { count = 1, interval = 1, size } = { ...options, ...pingOptions(args) };
  const network = openNetwork(options);
  using interruption = new Interruption();
  const results: PairResult[] = [];
  const pings = { count, intervalMs: interval * 1000, size, signal: interruption.signal };
  for await (const pair of pingPairs(pairsOf(network, options.host), pings)) {
    results.push(pair);
    say(describePair(pair));
  }
  const silent = results.filter(({ result }) => result.received === 0);
  say(`${results.length - silent.length} of ${results.length} ways work.`);
  if (silent.length === 0) return 0;
  throw new WirescriptError({
    code: "LAB",
    what: `${silent.length} of ${results.length} ways between hosts carry no pings.`,
    why: "A program on one of the ports or hosts may drop them, or what it sends is lost on the way.",
    fix: `See what is attached: wirescript lab exec --name ${network.name} -- wirescript status`,
  });
}

function pairsOf(network: Network, number: number | undefined) {
  const from = number === undefined ? null : network.host(number);
  return allPairs(network).filter((pair) => from === null || pair.from.number === from.number);
}

function describePair({ from, to, destination, result }: PairResult): string {
  const time = result.roundTripMs === null ? "" : `, ${result.roundTripMs.average.toFixed(3)} ms`;
  return `host ${from.number} > host ${to.number}  ${destination}: ${result.received} of ${result.sent} answered${time}`;
}
