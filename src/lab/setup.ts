/**
 * Making a lab. It is made completely or not at all: whatever fails, what was made before is taken away again. A setup that was
 * killed leaves a note, by which the next setup or teardown of that name takes away what is left.
 */
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { WirescriptError } from "../errors.ts";
import { BPFFS_PATH, ensureBpffs, unmountUnlessUsed } from "../sys/mount.ts";
import { inNamespace } from "../sys/namespaces.ts";
import { getLink } from "../sys/netlink/link.ts";
import { isLocalAddress } from "../sys/netlink/route.ts";
import { makeDevices, removeDevices } from "./devices.ts";
import { whileDevicesAreMade, withLock } from "./lock.ts";
import { MESSAGES } from "./messages.ts";
import { type PingResult, ping } from "./ping.ts";
import { checkName, INSIDE_DEVICE, type Plan, planFor, vlansFor } from "./plan.ts";
import { chooseNumber, requireAddressesFree, requireIpv6, requireNameFree, requireRoot, requireVlans } from "./preflight.ts";
import {
  beginSetup,
  currentLab,
  defaultStateDirectory,
  endSetup,
  findState,
  highestNumber,
  type LabState,
  listLabs,
  listNetworks,
  listUnfinished,
  rememberNumber,
  removeState,
  selectLab,
  writeState,
} from "./state.ts";
import { removeUnfinished } from "./unfinished.ts";

export interface Lab extends LabState {
  plan: Plan;
  stateDirectory: string;
}

export interface SetupOptions {
  /** At most 15 characters. Default: the selected lab's name, or a generated one. */
  name?: string;
  /** Generate a name even if a lab is selected. */
  generateNew?: boolean;
  /** IPv4 besides IPv6. */
  legacyIp?: boolean;
  /** VLANs 1 and 2 besides. */
  vlan?: boolean;
  /** Default: `defaultStateDirectory()`. */
  stateDirectory?: string;
  /** What goes on, a line at a time. */
  say?: (line: string) => void;
  /** Ends it early, with nothing left behind. */
  signal?: AbortSignal;
}

const GENERATED_NAME_PREFIX = "xdptut";
const SETTLING_MS = 2500;
const POLL_MS = 5;
const MOMENT_MS = 250;

/**
 * Makes a lab and selects it.
 *
 * @throws WirescriptError LAB when it exists, its name is taken, or the first ping is not answered; USAGE for an impossible name;
 * NO_PRIVILEGES; UNSUPPORTED_SYSTEM without IPv6 or VLANs; INTERRUPTED by `signal`.
 */
export async function setup(options: SetupOptions = {}): Promise<Lab> {
  requireRoot();
  const directory = options.stateDirectory ?? defaultStateDirectory();
  return await withLock(directory, () => {
    const name = options.generateNew === true ? generateName(directory) : nameFor(options.name, directory);
    return setUpLocked({ ...options, name, directory });
  });
}

/** What `setup` and `reset` share, with the lock held. `number`: the lab's number, if it has to be that one. */
export async function setUpLocked(options: SetupOptions & { name: string; directory: string; number?: number }): Promise<Lab> {
  const { name, directory, legacyIp = false, vlan = false, say = () => {}, signal } = options;
  checkName(name, { vlan });
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
  if (vlan) requireVlans();
  requireNameFree(name);
  throwIfInterrupted(signal);

  say(MESSAGES.settingUp(name));
  const bpffs = ensureBpffs();
  if (bpffs.mounted) say(MESSAGES.mountedBpffs(BPFFS_PATH));
  beginSetup(directory, name);
  try {
    const state = whileDevicesAreMade(() => {
      const number = options.number ?? nextNumber(directory, { legacyIp, vlan });
      requireAddressesFree(number, { legacyIp, vlan });
      return makeDevices({ name, number, legacyIp, vlan });
    });
    writeState(directory, state);
    const lab = labOf(state, directory);
    await settle(lab, say, signal);
    await checkWithPing(lab, signal);
    rememberNumber(directory, state.number);
    selectLab(directory, name);
    say(MESSAGES.isSetUp(name, lab.plan.ip6.inside, legacyIp ? (lab.plan.ip4?.inside ?? null) : null));
    return lab;
  } catch (error) {
    say(MESSAGES.setupFailed(name));
    removeState(directory, name);
    removeDevices(name);
    if (bpffs.mounted) unmountUnlessUsed(BPFFS_PATH);
    throw error;
  } finally {
    endSetup(directory, name);
  }
}

export function labOf(state: LabState, stateDirectory: string): Lab {
  return { ...state, plan: planFor(state.number), stateDirectory };
}

/** The given name, else the selected lab's (whose devices may be gone), else a new one. */
function nameFor(name: string | undefined, directory: string): string {
  return name ?? currentLab(directory) ?? generateName(directory);
}

/** "xdptut-" and four hexadecimal digits. */
export function generateName(directory: string): string {
  const existing = new Set([...listLabs(directory), ...listNetworks(directory), ...listUnfinished(directory)]);
  for (;;) {
    const name = `${GENERATED_NAME_PREFIX}-${randomInt(0x8000).toString(16).padStart(4, "0")}`;
    if (!existing.has(name)) return name;
  }
}

function nextNumber(directory: string, options: { legacyIp: boolean; vlan: boolean }): number {
  const used = new Set(listLabs(directory).flatMap((lab) => findState(directory, lab)?.number ?? []));
  return chooseNumber({ last: highestNumber(directory), used, ...options });
}

/**
 * Waits until the devices carry traffic and every address is delivered to. The kernel does both in work queues of its own, and drops
 * what comes before.
 */
async function settle(lab: Lab, say: (line: string) => void, signal: AbortSignal | undefined): Promise<void> {
  const { ip6, ip4 } = lab.plan;
  const vlans = lab.vlan ? vlansFor(lab.number, lab.name) : [];
  const pairs = [ip6, ...(lab.legacyIp && ip4 !== null ? [ip4] : []), ...vlans];
  const isReady = (devices: string[], addresses: string[]) =>
    devices.every((device) => getLink(device).operstate === "up") && addresses.every(isLocalAddress);
  const outside = [lab.name, ...vlans.map(({ outsideDevice }) => outsideDevice)];
  const inside = [INSIDE_DEVICE, ...vlans.map(({ insideDevice }) => insideDevice)];
  const areBothReady = () =>
    isReady(
      outside,
      pairs.map((pair) => pair.outside),
    ) &&
    inNamespace(lab.name, () =>
      isReady(
        inside,
        pairs.map((pair) => pair.inside),
      ),
    );
  const start = performance.now();
  for (let told = false; !areBothReady(); ) {
    const waited = performance.now() - start;
    // Half a moment is nothing to talk about.
    if (!told && waited > MOMENT_MS) {
      say(MESSAGES.settling);
      told = true;
    }
    // The ping that follows finds out whether it matters.
    if (waited > SETTLING_MS) return;
    throwIfInterrupted(signal);
    await sleep(POLL_MS);
  }
}

/** The lab is worth something when the outside can be reached from inside. */
async function checkWithPing(lab: Lab, signal: AbortSignal | undefined): Promise<void> {
  const { ip6, ip4 } = lab.plan;
  const destinations = [ip6.outside];
  if (lab.legacyIp && ip4 !== null) destinations.push(ip4.outside);
  if (lab.vlan) destinations.push(...vlansFor(lab.number, lab.name).map(({ outside }) => outside));
  for (const destination of destinations) {
    const result = await ping({ destination, namespace: lab.name, signal });
    throwIfInterrupted(signal);
    if (result.received === 0) throw unanswered(destination, result);
  }
}

function unanswered(destination: string, { probes }: PingResult): WirescriptError {
  const [probe] = probes;
  const reason = probe?.invalid[0] ?? probe?.error;
  return new WirescriptError({
    code: "LAB",
    what: `${destination} cannot be reached from inside the lab.`,
    why: reason ? `A ping gave: ${reason}.` : "A ping was not answered within a second.",
    fix: "Look for a firewall on this host that drops ICMP on new devices (`nft list ruleset`, `iptables -S`).",
  });
}

export function throwIfInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new WirescriptError({
    code: "INTERRUPTED",
    what: "The setup was interrupted.",
    why: "A signal ended it.",
    fix: "Nothing is left of it; run it again when you like.",
  });
}
