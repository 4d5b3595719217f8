/** Takes the picture: which devices the doctor is to look at, and everything that stands around them. Changes nothing. */
import { closeSync } from "node:fs";
import { openNetwork } from "../../runtime/links/network-namespace.ts";
import { BPFFS_PATH, onBpffs } from "../../sys/mount.ts";
import { noSuchDevice } from "../../sys/netlink/index.ts";
import { Devices } from "./devices.ts";
import { Networks } from "./networks.ts";
import { readPins } from "./pins.ts";
import { ProgramReader } from "./program.ts";
import type { Device, Network, Snapshot, Subject } from "./snapshot.ts";
import { targetsOf } from "./targets.ts";

export interface SnapshotOptions {
  /** Names of devices; none: all that have a program, in all namespaces. */
  devices?: readonly string[];
  /** Where the devices are: a name, a process's id, or a path. Default: the calling thread's namespace. */
  netns?: string | number;
}

/** @throws WirescriptError NO_SUCH_DEVICE, NO_SUCH_NAMESPACE, NO_PRIVILEGES. */
export function takeSnapshot({ devices: names = [], netns }: SnapshotOptions = {}): Snapshot {
  using networks = new Networks();
  const devices = new Devices(networks, new ProgramReader());
  const asked = networkOf(networks, netns);
  const chosen =
    names.length > 0
      ? devicesNamed(names, asked, networks, devices)
      : withPrograms(netns === undefined ? networks.all : [asked], devices);
  return {
    subjects: chosen.map((device) => subjectOf(device, networks, devices, names.length > 0)),
    networks: networks.all,
    bpffs: onBpffs(BPFFS_PATH),
    pins: names.length > 0 ? null : readPins(),
  };
}

/** What is around a question that is not about all devices: the machine as it is while `work` runs, which must be synchronous. */
export interface Surroundings {
  /** Where the devices are. */
  network: Network;
  devices: {
    /** Those of the network. */
    all(): Device[];
    /** @throws WirescriptError NO_SUCH_DEVICE. */
    named(name: string): Device;
  };
  /** Runs something with the calling thread in a network. */
  run<Result>(network: Network, work: () => Result): Result;
  subjectOf(device: Device): Subject;
  snapshotOf(subjects: Subject[]): Snapshot;
}

/** @throws WirescriptError NO_SUCH_NAMESPACE, NO_PRIVILEGES, and what `work` throws. */
export function lookAround<Result>(netns: string | number | undefined, work: (around: Surroundings) => Result): Result {
  using networks = new Networks();
  const devices = new Devices(networks, new ProgramReader());
  const network = networkOf(networks, netns);
  return work({
    network,
    devices: {
      all: () => devices.all(network),
      named: (name) => deviceNamed(name, network, networks, devices),
    },
    run: (where, what) => networks.in(where, what),
    subjectOf: (device) => subjectOf(device, networks, devices, false),
    snapshotOf: (subjects) => ({ subjects, networks: networks.all, bpffs: onBpffs(BPFFS_PATH), pins: null }),
  });
}

function networkOf(networks: Networks, netns: string | number | undefined): Network {
  if (netns === undefined) return networks.home;
  const fd = openNetwork(netns);
  try {
    return networks.of(fd) ?? networks.home;
  } finally {
    closeSync(fd);
  }
}

function devicesNamed(names: readonly string[], network: Network, networks: Networks, devices: Devices): Device[] {
  return names.map((name) => deviceNamed(name, network, networks, devices));
}

function deviceNamed(name: string, network: Network, networks: Networks, devices: Devices): Device {
  const link = network.links.find((each) => each.name === name);
  const device = link === undefined ? null : devices.device(network, link);
  if (device === null) throw networks.in(network, () => noSuchDevice(name));
  return device;
}

/** The devices with an XDP or TC program. */
function withPrograms(networks: readonly Network[], devices: Devices): Device[] {
  return networks
    .flatMap((network) => devices.all(network))
    .filter(({ xdp, tcPrograms }) => xdp.length > 0 || tcPrograms.length > 0);
}

function subjectOf(device: Device, networks: Networks, devices: Devices, asked: boolean): Subject {
  const find = (network: Network, ifindex: number): Device[] =>
    network.links.filter((link) => link.ifindex === ifindex).flatMap((link) => devices.device(network, link) ?? []);
  const findTarget = (ifindex: number, anywhere: boolean): Device | null => {
    const here = find(device.network, ifindex);
    const others = anywhere && here.length === 0 ? networks.all.flatMap((network) => find(network, ifindex)) : [];
    // With several it is not known which is meant.
    return here[0] ?? (others.length === 1 ? (others[0] ?? null) : null);
  };
  const programs = device.xdp.flatMap(({ program, runs }) => [program, ...runs]);
  const neighbours = programs.some(({ routes }) => routes) ? devices.all(device.network) : [];
  return { device, asked, targets: programs.flatMap((program) => targetsOf(program, device, findTarget, neighbours)) };
}
