/**
 * Making and ending a lab with hosts: a switch or a router in the middle and hosts around it, each in a network namespace of its own.
 * As with labs of one host, it is made completely or not at all, and what a killed setup left is taken away by the next one.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { WirescriptError } from "../../errors.ts";
import { inNamespace, namespaceExists } from "../../sys/namespaces.ts";
import { getLink } from "../../sys/netlink/link.ts";
import { isLocalAddress } from "../../sys/netlink/route.ts";
import type { RunningProcess } from "../../sys/processes.ts";
import { withLock } from "../lock.ts";
import { MESSAGES } from "../messages.ts";
import { checkName } from "../plan.ts";
import { requireIpv6, requireNameFree, requireRoot } from "../preflight.ts";
import { selectedName } from "../select.ts";
import { generateName, throwIfInterrupted } from "../setup.ts";
import {
  beginSetup,
  currentLab,
  defaultStateDirectory,
  deselectLab,
  endSetup,
  findNetworkState,
  findState,
  listNetworks,
  listUnfinished,
  type NetworkState,
  removeNetworkState,
  selectLab,
  writeNetworkState,
} from "../state.ts";
import { processesIn } from "../teardown.ts";
import { removeUnfinished } from "../unfinished.ts";
import { makeNetwork, removeNetwork } from "./devices.ts";
import { pingPairs } from "./ping.ts";
import { type HostPlan, type Middle, type NetworkPlan, namespacesOf, networkPlan } from "./plan.ts";

const SETTLING_MS = 5000;
const POLL_MS = 5;

export interface NetworkOptions {
  /** At most 15 characters. Default: the selected lab's name, or a generated one. */
  name?: string;
  /** From 2 to 100. */
  hosts: number;
  /** Default: "switch". */
  middle?: Middle;
  /** Generate a name even if a lab is selected. */
  generateNew?: boolean;
  /** Default: `defaultStateDirectory()`. */
  stateDirectory?: string;
  /** What goes on, a line at a time. */
  say?: (line: string) => void;
  /** Ends it early, with nothing left behind. */
  signal?: AbortSignal;
}

/**
 * A lab with hosts. The namespace in the middle has the lab's name, and in it are the ports "host1", "host2", …; host 1 is the namespace
 * "NAME-1" with the device "veth0". Every veth0 has an XDP program that passes everything, so that what a program in the middle sends by
 * XDP_TX or XDP_REDIRECT arrives in native mode.
 */
export interface Network extends NetworkPlan, AsyncDisposable {
  stateDirectory: string;
  /** The host of that number, from 1. @throws WirescriptError LAB when there is none. */
  host(number: number): HostPlan;
}

/**
 * Makes a lab with hosts and selects it. It ends with `teardownNetwork`, or by `await using`.
 *
 * @throws WirescriptError LAB when it exists, its names are taken, or hosts do not reach each other; USAGE for an impossible name or
 * number of hosts; NO_PRIVILEGES; UNSUPPORTED_SYSTEM without IPv6 or bridges; INTERRUPTED by `signal`.
 */
export async function setupNetwork(options: NetworkOptions): Promise<Network> {
  requireRoot();
  const directory = options.stateDirectory ?? defaultStateDirectory();
  return await withLock(directory, () => {
    const name = options.generateNew === true ? generateName(directory) : nameFor(options.name, directory);
    return setUpLocked({ ...options, name, middle: options.middle ?? "switch" }, directory);
  });
}

async function setUpLocked(options: NetworkOptions & { name: string; middle: Middle }, directory: string): Promise<Network> {
  const { name, middle, hosts, say = () => {}, signal } = options;
  checkName(name, { vlan: false });
  const plan = networkPlan(name, middle, hosts);
  removeUnfinished(directory, name, say);
  if (findState(directory, name) !== null || listNetworks(directory).includes(name)) {
    throw new WirescriptError({
      code: "LAB",
      what: MESSAGES.alreadyExists(name),
      why: "Labs are told apart by their names.",
      fix: "Go on with that one, tear it down first, or choose another name.",
    });
  }
  requireIpv6();
  for (const namespace of namespacesOf(plan)) requireNameFree(namespace);
  throwIfInterrupted(signal);

  say(MESSAGES.settingUp(name));
  beginSetup(directory, name);
  try {
    // First what is to be made, so that whoever finds the note of a killed setup knows what to take away.
    writeNetworkState(directory, { name, middle, hosts });
    makeNetwork(plan);
    await settle(plan, signal);
    await checkNeighbouringPairs(plan, signal);
    selectLab(directory, name);
    say(MESSAGES.networkIsSetUp(name, middle, hosts));
    return networkOf(plan, directory);
  } catch (error) {
    say(MESSAGES.setupFailed(name));
    removeNetwork(plan);
    removeNetworkState(directory, name);
    throw error;
  } finally {
    endSetup(directory, name);
  }
}

function networkOf(plan: NetworkPlan, stateDirectory: string): Network {
  return {
    ...plan,
    stateDirectory,
    host: (number) => hostOf(plan, number),
    [Symbol.asyncDispose]: async () => {
      // Somebody may have torn it down already.
      await withLock(stateDirectory, () => {
        if (findNetworkState(stateDirectory, plan.name) !== null) tearDownLocked(plan, stateDirectory);
      });
    },
  };
}

function hostOf({ name, hosts }: NetworkPlan, number: number): HostPlan {
  const host = hosts[number - 1];
  if (host !== undefined) return host;
  throw new WirescriptError({
    code: "LAB",
    what: `Environment '${name}' has no host ${number}.`,
    why: `Its hosts are 1 to ${hosts.length}.`,
    fix: "Name one of these with --host.",
  });
}

function nameFor(name: string | undefined, directory: string): string {
  return name ?? currentLab(directory) ?? generateName(directory);
}

/** Waits until all devices carry traffic and every address is delivered to: the kernel does both in work queues of its own. */
async function settle(plan: NetworkPlan, signal: AbortSignal | undefined): Promise<void> {
  const isUp = (device: string) => getLink(device).operstate === "up";
  const isHostReady = (host: HostPlan) =>
    inNamespace(host.namespace, () => isUp(host.device) && isLocalAddress(host.ip4) && isLocalAddress(host.ip6));
  const isMiddleReady = () =>
    inNamespace(plan.name, () =>
      plan.hosts.every(
        ({ port, gateway }) => isUp(port) && (gateway === null || (isLocalAddress(gateway.ip4) && isLocalAddress(gateway.ip6))),
      ),
    );
  const deadline = performance.now() + SETTLING_MS;
  // The pings that follow find out whether it matters.
  while (!(isMiddleReady() && plan.hosts.every(isHostReady)) && performance.now() < deadline) {
    throwIfInterrupted(signal);
    await sleep(POLL_MS);
  }
}

/** The lab is worth something when each host reaches the next one. */
async function checkNeighbouringPairs(plan: NetworkPlan, signal: AbortSignal | undefined): Promise<void> {
  const pairs = plan.hosts.map((from, index) => ({ from, to: plan.hosts[(index + 1) % plan.hosts.length] ?? from }));
  for await (const { from, to, destination, result } of pingPairs(pairs, { signal })) {
    throwIfInterrupted(signal);
    if (result.received > 0) continue;
    throw new WirescriptError({
      code: "LAB",
      what: `Host ${to.number} cannot be reached from host ${from.number}.`,
      why: `A ping to ${destination} was not answered within a second.`,
      fix: "Look for firewall rules in new namespaces, or net.bridge.bridge-nf-call-iptables, which applies them to switched packets.",
    });
  }
  // Pings that are cut short end without a result.
  throwIfInterrupted(signal);
}

/** Which lab with hosts it is about. */
export interface Lookup {
  /** Default: the selected lab. */
  name?: string;
  stateDirectory?: string;
}

/** Whether the lab of that name, or the selected one, is one with hosts. @throws WirescriptError NO_PRIVILEGES */
export function isNetwork(lookup: Lookup = {}): boolean {
  requireRoot();
  const directory = lookup.stateDirectory ?? defaultStateDirectory();
  const name = lookup.name ?? currentLab(directory);
  return name !== null && listNetworks(directory).includes(name);
}

/** The lab with hosts of that name, or the selected one. @throws WirescriptError LAB when it is none; NO_PRIVILEGES */
export function openNetwork(selection: Lookup = {}): Network {
  requireRoot();
  const directory = selection.stateDirectory ?? defaultStateDirectory();
  const name = selectedName(selection.name, directory);
  const state = findNetworkState(directory, name);
  if (state !== null) return networkOf(planOf(state), directory);
  const known = listNetworks(directory);
  throw new WirescriptError({
    code: "LAB",
    what: `There is no environment with hosts '${name}'.`,
    why: known.length === 0 ? `${directory} knows of none.` : `There are ${known.join(", ")}.`,
    fix: `Make it: wirescript lab setup --name ${name} --hosts 4`,
  });
}

const planOf = ({ name, middle, hosts }: NetworkState): NetworkPlan => networkPlan(name, middle, hosts);

export interface NetworkTeardownResult {
  name: string;
  /** The names of the namespaces that were there and are gone. */
  removed: string[];
  /** The names that should have been there. */
  missing: string[];
  /** Processes that still run in one of the namespaces, which lives on without a name until they end. */
  processes: RunningProcess[];
}

/** Takes a lab with hosts away, also one that is half gone. @throws WirescriptError as `openNetwork` does. */
export async function teardownNetwork(
  selection: Lookup & { say?: (line: string) => void } = {},
): Promise<NetworkTeardownResult> {
  requireRoot();
  const directory = selection.stateDirectory ?? defaultStateDirectory();
  return await withLock(directory, () => tearDownLocked(openNetwork(selection), directory, selection.say));
}

/** Takes it away and makes it again, with the same hosts. @throws WirescriptError as teardown and setup do. */
export async function resetNetwork(
  selection: Pick<NetworkOptions, "name" | "stateDirectory" | "say" | "signal"> = {},
): Promise<Network> {
  requireRoot();
  const directory = selection.stateDirectory ?? defaultStateDirectory();
  return await withLock(directory, async () => {
    const { name, middle, hosts, ...plan } = openNetwork(selection);
    tearDownLocked({ ...plan, name, middle, hosts }, directory, selection.say);
    return await setUpLocked({ ...selection, name, middle, hosts: hosts.length }, directory);
  });
}

function tearDownLocked(plan: NetworkPlan, directory: string, say: (line: string) => void = () => {}): NetworkTeardownResult {
  say(MESSAGES.tearingDown(plan.name));
  const processes = namespacesOf(plan).filter(namespaceExists).flatMap(processesIn);
  const { namespaces, missing } = removeNetwork(plan);
  removeNetworkState(directory, plan.name);
  if (listUnfinished(directory).includes(plan.name)) endSetup(directory, plan.name);
  deselectLab(directory, plan.name);
  return { name: plan.name, removed: namespaces, missing, processes };
}
