/**
 * What the doctor looks at: a picture of the machine, taken once. Checks are functions of it and touch nothing themselves, so they all speak
 * about the same moment, and a device is asked once however many checks want to know.
 */
import type { Offloads } from "../../sys/ethtool.ts";
import type { InterfaceAddress, Link, Route, TcFilter, XdpMode } from "../../sys/netlink/index.ts";
import type { PinFacts } from "./pins.ts";
import type { ProgramFacts } from "./program.ts";
import type { Target } from "./targets.ts";

/** A network namespace. */
export interface Network {
  /** Under /run/netns; null for one without a name. */
  name: string | null;
  /** A process in it, by which a namespace without a name is reached. */
  pid: number | null;
  /** Whether the user's shell is in it, so that commands need no prefix. */
  home: boolean;
  /** The namespace's inode, by which it is told from others. */
  number: number;
  links: Link[];
}

/** Settings of /proc/sys/net/ipv4/conf/DEV; null without IPv4. */
export interface Ipv4Settings {
  forwarding: boolean;
  /** 0: off, 1: strict, 2: loose (RFC 3704). The larger one of the device's and that of "all" counts. */
  rpFilter: number;
}

/** Settings of /proc/sys/net/ipv6/conf/DEV; null in a kernel without IPv6. */
export interface Ipv6Settings {
  forwarding: boolean;
  disabled: boolean;
  acceptRa: number;
}

export interface XdpOnDevice {
  mode: XdpMode;
  program: ProgramFacts;
  /** What libxdp's dispatcher or a program array runs, where it is one. */
  runs: ProgramFacts[];
  linkId: number | null;
}

export interface Device {
  network: Network;
  link: Link;
  addresses: InterfaceAddress[];
  routes: Route[];
  /** null when the driver does not tell. */
  offloads: Offloads | null;
  /** `XdpFeatures.features`; null before Linux 6.3. */
  features: string[] | null;
  ipv4: Ipv4Settings | null;
  ipv6: Ipv6Settings | null;
  xdp: XdpOnDevice[];
  tcPrograms: { id: number; name: string }[];
  filters: TcFilter[];
  /** How many filters there are that are no BPF programs. */
  otherFilters: number;
  qdiscs: string[];
  /** Packets that the reverse-path filter dropped in this namespace so far (IPReversePathFilter of /proc/net/netstat). */
  reversePathDrops: number;
  /** Of a veth without a program: why the kernel would refuse one in native mode, in its words; null when it would not. */
  nativeRefusal: string | null;
  /** Of a veth: the other end, where it could be found. */
  peer: Device | null;
  /** VLAN devices on top of it. */
  vlans: string[];
}

/** A device that the doctor was asked about, or that it chose because it has a program. */
export interface Subject {
  device: Device;
  /** Where its programs may send packets with XDP_REDIRECT. */
  targets: Target[];
  /** By name: then that it has no program is a finding. */
  asked: boolean;
}

export interface Snapshot {
  subjects: Subject[];
  /** All network namespaces that could be found: named ones, and those of processes. */
  networks: Network[];
  /** Whether /sys/fs/bpf is a BPF file system. */
  bpffs: boolean;
  /** null when the doctor was asked about devices: pins are nobody's then. */
  pins: PinFacts[] | null;
}
