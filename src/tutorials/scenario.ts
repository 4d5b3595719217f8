/**
 * The scenarios of the TFG's cases: network namespaces and the veth pairs into them, with the addresses of its scripts. A scenario is made
 * whole or not at all, and only what is its own is taken away.
 *
 * Beyond the scripts, ends of a wire know each other's MAC addresses, and in case 04, where both wires have the same network, hosts know where the
 * other side is: that is what its routing variant needs.
 */
import { closeSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import { removePins } from "../lab/pins.ts";
import { Undo } from "../runtime/undo.ts";
import { setOffloads } from "../sys/ethtool.ts";
import { createNamespace, deleteNamespace, inNamespace, namespaceExists, openNamespace } from "../sys/namespaces.ts";
import {
  addAddress,
  addRoute,
  addVethPair,
  deleteLink,
  findLink,
  getLink,
  listAddresses,
  listLinks,
  setLinkUp,
  setPermanentNeighbour,
} from "../sys/netlink/index.ts";

/** A wire between two namespaces; `null` is the one that the command runs in. */
interface Wire {
  ends: readonly [End, End];
}

interface End {
  namespace: string | null;
  device: string;
  /** IPv4, of a network of 24 bits; none for ports of a switch. */
  address?: string;
}

export interface Scenario {
  wires: readonly Wire[];
  /** Whether hosts behind different wires know that the way to each other leads over this one. */
  crossed?: boolean;
}

const wire = (name: string, outside: string, inside: string): Wire => ({
  ends: [
    { namespace: null, device: name, address: outside },
    { namespace: name, device: "veth0", address: inside },
  ],
});
const ONE: Scenario = { wires: [wire("uno", "10.0.0.1", "10.0.0.2")] };
const port = (name: string, address: string): Wire => ({
  ends: [
    { namespace: "switch", device: name },
    { namespace: name, device: "veth0", address },
  ],
});

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  case01: ONE,
  case02: ONE,
  case03: ONE,
  case04: { wires: [wire("uno", "10.0.0.1", "10.0.0.2"), wire("dos", "10.0.0.3", "10.0.0.4")], crossed: true },
  case05: {
    wires: [
      port("uno", "10.0.0.2"),
      port("dos", "10.0.0.3"),
      {
        ends: [
          { namespace: null, device: "gateway", address: "10.0.0.1" },
          { namespace: "switch", device: "switch" },
        ],
      },
    ],
  },
};

const namespacesOf = ({ wires }: Scenario): string[] => [
  ...new Set(wires.flatMap(({ ends }) => ends.flatMap(({ namespace }) => namespace ?? []))),
];
const endsOf = ({ wires }: Scenario): End[] => wires.flatMap(({ ends }) => ends);

/** @throws WirescriptError LAB when a name is taken; NO_PRIVILEGES. */
export function install(scenario: Scenario): void {
  for (const name of namespacesOf(scenario)) {
    if (namespaceExists(name)) throw taken(`There is a network namespace "${name}" already.`);
  }
  for (const { namespace, device } of endsOf(scenario)) {
    if (namespace === null && findLink(device) !== null) throw taken(`There is a network device "${device}" already.`);
  }
  const undo = new Undo();
  try {
    for (const name of namespacesOf(scenario)) {
      createNamespace(name);
      undo.push(() => void deleteNamespace(name));
      inNamespace(name, () => setLinkUp(getLink("lo").ifindex, true));
    }
    for (const { ends } of scenario.wires) {
      const [first] = ends;
      makeWire(ends);
      if (first.namespace === null) undo.push(() => deleteLink(getLink(first.device).ifindex));
    }
    if (scenario.crossed === true) cross(scenario);
  } catch (error) {
    undo.run();
    throw error;
  }
}

function taken(what: string): WirescriptError {
  return new WirescriptError({
    code: "LAB",
    what,
    why: "The scenario uses that name: it is there already, or something else has it.",
    fix: "Take an earlier scenario away with ./runenv.sh -c, a lab with: t teardown -n NAME",
  });
}

function at<Result>({ namespace }: End, work: () => Result): Result {
  return namespace === null ? work() : inNamespace(namespace, work);
}

const macOf = (end: End): string => at(end, () => getLink(end.device).mac ?? "");

function makeWire([first, second]: readonly [End, End]): void {
  const fd = openNamespace(second.namespace ?? "");
  try {
    at(first, () => addVethPair({ name: first.device, peerName: second.device, peerNamespaceFd: fd }));
  } finally {
    closeSync(fd);
  }
  for (const end of [first, second]) at(end, () => configure(end));
  // Once both ends are up; see src/lab/devices.ts for what these are good for.
  for (const end of [first, second]) {
    at(end, () => setOffloads(end.device, { rxVlan: false, txVlan: false, txChecksum: false, gro: true }));
  }
  for (const [end, other] of [
    [first, second],
    [second, first],
  ] as const) {
    const { address } = other;
    const mac = macOf(other);
    if (address !== undefined && end.address !== undefined) know(end, address, mac);
  }
}

function configure({ device, address }: End): void {
  const { ifindex } = getLink(device);
  setLinkUp(ifindex, true);
  if (address !== undefined) addAddress({ ifindex, address, prefixLength: 24 });
}

function know(end: End, address: string, mac: string): void {
  at(end, () => setPermanentNeighbour({ ifindex: getLink(end.device).ifindex, address, mac }));
}

/** Each host behind a wire reaches those behind the others by the outer end of its own. */
function cross({ wires }: Scenario): void {
  for (const { ends } of wires) {
    const [outside, inside] = ends;
    addRoute({ destination: { address: inside.address ?? "", prefixLength: 32 }, ifindex: getLink(outside.device).ifindex });
    for (const other of wires) {
      const far = other.ends[1].address;
      if (other.ends[1] !== inside && far !== undefined) know(inside, far, macOf(outside));
    }
  }
}

/**
 * Takes away what is there of the scenario, pins included. Returns false when nothing was.
 *
 * @throws WirescriptError LAB when something of its names is not its own; NO_PRIVILEGES.
 */
export function clean(scenario: Scenario): boolean {
  for (const end of endsOf(scenario)) if (!isOwn(end)) throw notOwn(end);
  for (const name of namespacesOf(scenario)) refuseOthersDevices(scenario, name);
  let found = false;
  for (const { namespace, device } of endsOf(scenario)) {
    const link = namespace === null ? findLink(device) : null;
    if (link === null) continue;
    deleteLink(link.ifindex);
    removePins(device);
    found = true;
  }
  for (const name of namespacesOf(scenario)) found = deleteNamespace(name) || found;
  return found;
}

/** Whether it is the scenario's, or is not there. */
function isOwn(end: End): boolean {
  const { namespace, device, address } = end;
  if (namespace !== null && !namespaceExists(namespace)) return true;
  return at(end, () => {
    const link = findLink(device);
    if (link === null) return true;
    return (
      link.kind === "veth" && (address === undefined || listAddresses(link.ifindex).some((each) => each.address === address))
    );
  });
}

/** A namespace that somebody else made under one of these names, such as a lab's, goes with all that is in it. */
function refuseOthersDevices(scenario: Scenario, namespace: string): void {
  if (!namespaceExists(namespace)) return;
  const own = endsOf(scenario).flatMap((end) => (end.namespace === namespace ? end.device : []));
  // Tunnels' fallback devices (tunl0, sit0) are in every namespace of some kernels.
  const other = inNamespace(namespace, listLinks).find(({ name, kind }) => kind === "veth" && !own.includes(name));
  if (other === undefined) return;
  throw new WirescriptError({
    code: "LAB",
    what: `The network namespace "${namespace}" was not taken away.`,
    why: `The device "${other.name}" in it is not the scenario's, so it is something else's.`,
    fix: "Take it away by hand if nobody needs it, a lab with: t teardown -n NAME",
  });
}

function notOwn({ namespace, device, address }: End): WirescriptError {
  return new WirescriptError({
    code: "LAB",
    what: `The device "${device}"${namespace === null ? "" : ` in the namespace "${namespace}"`} was not taken away.`,
    why: `It has not the scenario's address${address === undefined ? "" : ` ${address}`}, so it is something else's.`,
    fix: "Take it away by hand if nobody needs it, a lab with: t teardown -n NAME",
  });
}
