/**
 * Who has which address in a lab. Everything follows from the lab's number, as in the tutorial's test environment: lab k has
 * fc00:dead:cafe:<k in hexadecimal>::/64 and 10.11.<k in decimal>.0/24; outside is 1 and inside is 2 in both. VLAN v of lab k adds
 * 0x1000·v to the fourth group of the address. Pure.
 */
import { WirescriptError } from "../errors.ts";
import type { Prefix } from "../sys/ip-address.ts";

/** The first three groups of every lab's IPv6 addresses. */
export const IP6_SUBNET = "fc00:dead:cafe";
export const IP6_PREFIX_SIZE = 64;
export const IP6_FULL_PREFIX_SIZE = 48;
/** The first two bytes of every lab's IPv4 addresses. */
export const IP4_SUBNET = "10.11";
export const IP4_PREFIX_SIZE = 24;
export const IP4_FULL_PREFIX_SIZE = 16;
export const VLAN_IDS = [1, 2] as const;
/** The device inside; the one outside has the lab's name. */
export const INSIDE_DEVICE = "veth0";
/** IFNAMSIZ - 1, because the lab's name is a device's name. */
export const MAX_NAME_LENGTH = 15;

/** The largest number with IPv6 alone: above it, the fourth group would be one that a VLAN of a smaller number has. */
export const MAX_NUMBER = 0xfff;
/** The largest number with IPv4: it is one byte of the address. */
export const MAX_NUMBER_IP4 = 255;

export interface Ends {
  outside: string;
  inside: string;
}

export interface VlanPlan extends Ends {
  id: number;
  /** "fc00:dead:cafe:1001::" */
  prefix: string;
  /** "NAME.1" and "veth0.1" */
  outsideDevice: string;
  insideDevice: string;
}

export interface Plan {
  number: number;
  ip6: Ends & { prefix: string };
  /** null for numbers that IPv4 has no room for. */
  ip4: (Ends & { prefix: string }) | null;
}

/** The addresses of lab `number`. @throws WirescriptError LAB when it is not a whole number from 1 to 4095. */
export function planFor(number: number): Plan {
  if (!Number.isInteger(number) || number < 1 || number > MAX_NUMBER) {
    throw new WirescriptError({
      code: "LAB",
      what: `There is no lab number ${number}.`,
      why: `A lab's number is a part of its addresses, from 1 to ${MAX_NUMBER}.`,
      fix: "Tear labs down that are no longer needed; their numbers become free.",
    });
  }
  const ip6 = `${IP6_SUBNET}:${number.toString(16)}::`;
  const ip4 = `${IP4_SUBNET}.${number}.`;
  return {
    number,
    ip6: { prefix: ip6, ...endsOf(ip6) },
    ip4: number > MAX_NUMBER_IP4 ? null : { prefix: ip4, ...endsOf(ip4) },
  };
}

/** The VLANs of lab `number`, which is called `name`. */
export function vlansFor(number: number, name: string): VlanPlan[] {
  return VLAN_IDS.map((id) => {
    const prefix = `${IP6_SUBNET}:${(planFor(number).number + id * 0x1000).toString(16)}::`;
    return { id, prefix, ...endsOf(prefix), outsideDevice: `${name}.${id}`, insideDevice: `${INSIDE_DEVICE}.${id}` };
  });
}

function endsOf(prefix: string): Ends {
  return { outside: `${prefix}1`, inside: `${prefix}2` };
}

/** All networks that a lab's devices are in, for the search for conflicts. */
export function networksOf(number: number, options: { legacyIp: boolean; vlan: boolean }): Prefix[] {
  const { ip6, ip4 } = planFor(number);
  const networks: Prefix[] = [{ address: ip6.prefix, prefixLength: IP6_PREFIX_SIZE }];
  if (options.legacyIp && ip4 !== null) networks.push({ address: `${ip4.prefix}0`, prefixLength: IP4_PREFIX_SIZE });
  if (options.vlan) {
    networks.push(...vlansFor(number, "").map(({ prefix }) => ({ address: prefix, prefixLength: IP6_PREFIX_SIZE })));
  }
  return networks;
}

/** The number in an IPv6 prefix of the plan; null when it is none of ours. */
export function numberOf(ip6Prefix: string): number | null {
  const match = new RegExp(`^${IP6_SUBNET}:([0-9a-f]{1,3})::$`).exec(ip6Prefix);
  const number = Number.parseInt(match?.[1] ?? "0", 16);
  return number === 0 ? null : number;
}

/** @throws WirescriptError USAGE unless `name` can be the name of a lab: of a device, a namespace, and a directory of pins. */
export function checkName(name: string, options: { vlan: boolean }): void {
  const room = options.vlan ? MAX_NAME_LENGTH - 2 : MAX_NAME_LENGTH;
  if (Buffer.byteLength(name) > room) {
    throw new WirescriptError({
      code: "USAGE",
      what: `Environment name '${name}' is too long (max ${room})`,
      why: `It is also the name of a network device${options.vlan ? `, and of VLAN devices like ${name}.1` : ""}; Linux allows ${MAX_NAME_LENGTH} characters.`,
      fix: "Choose a shorter name.",
    });
  }
  if (!/^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(name)) {
    throw new WirescriptError({
      code: "USAGE",
      what: `Environment name '${name}' cannot be used.`,
      why: "It is also the name of a network device, a namespace and files, one of them in a BPF file system, which allows no dots.",
      fix: "Use letters, digits, '_' and '-', and begin with a letter, digit or '_'.",
    });
  }
  if (RESERVED.has(name)) {
    throw new WirescriptError({
      code: "USAGE",
      what: `Environment name '${name}' cannot be used.`,
      why: `Other things have that name: ${name === "xdp" || name === "tc" || name === "ip" ? `/sys/fs/bpf/${name} belongs to other tools` : "devices or system settings"}.`,
      fix: "Choose another one.",
    });
  }
}

/** Directories of bpffs that libxdp and iproute2 use, and the entries of /proc/sys/net/ipv6/conf that are no devices. */
const RESERVED = new Set(["xdp", "tc", "ip", "all", "default", "lo", INSIDE_DEVICE]);
