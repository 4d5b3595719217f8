/**
 * Who has which name and address in a lab with hosts. Everything follows from the lab's name and a host's number, so that a text can
 * print a command and its result. Nothing of such a lab is in the namespace it was made from: its addresses meet nobody else's, and all
 * such labs have the same ones. Pure.
 */
import { WirescriptError } from "../../errors.ts";
import { INSIDE_DEVICE } from "../plan.ts";

/** What is in the middle: a switch, and all hosts share a network; or a router, and each has its own. */
export type Middle = "switch" | "router";

/** The switch's own device, in the middle. */
export const SWITCH_DEVICE = "switch";
export const IP4_PREFIX_LENGTH = 24;
export const IP6_PREFIX_LENGTH = 64;

/** A host's number is the last byte of its MAC address, and a byte of its IPv4 address. */
export const MAX_HOSTS = 100;

export interface HostPlan {
  /** From 1. */
  number: number;
  /** "NAME-1" */
  namespace: string;
  /** The host's end of its veth pair: "veth0". */
  device: string;
  /** The other end, in the middle: "host1". */
  port: string;
  mac: string;
  portMac: string;
  ip4: string;
  ip6: string;
  /** The router's addresses on this host's network; null with a switch. */
  gateway: { ip4: string; ip6: string } | null;
}

export interface NetworkPlan {
  /** Also the name of the namespace in the middle. */
  name: string;
  middle: Middle;
  hosts: HostPlan[];
}

/** @throws WirescriptError USAGE for a number of hosts that is not from 2 to 100. */
export function networkPlan(name: string, middle: Middle, hosts: number): NetworkPlan {
  if (!Number.isInteger(hosts) || hosts < 2 || hosts > MAX_HOSTS) {
    throw new WirescriptError({
      code: "USAGE",
      what: `There cannot be ${hosts} hosts in a lab.`,
      why: `A lab with hosts has from 2 to ${MAX_HOSTS} of them: their numbers are a part of their addresses.`,
      fix: "For example: wirescript lab setup --name office --hosts 4; for one host leave --hosts out.",
    });
  }
  return { name, middle, hosts: Array.from({ length: hosts }, (_, index) => hostPlan(name, middle, index + 1)) };
}

function hostPlan(name: string, middle: Middle, number: number): HostPlan {
  const byte = number.toString(16).padStart(2, "0");
  const group = number.toString(16);
  return {
    number,
    namespace: `${name}-${number}`,
    device: INSIDE_DEVICE,
    port: `host${number}`,
    mac: `02:00:00:00:00:${byte}`,
    portMac: `02:00:00:00:01:${byte}`,
    ...(middle === "switch"
      ? { ip4: `10.12.0.${number}`, ip6: `fc00:dead:beef::${group}`, gateway: null }
      : {
          ip4: `10.12.${number}.2`,
          ip6: `fc00:dead:beef:${group}::2`,
          gateway: { ip4: `10.12.${number}.1`, ip6: `fc00:dead:beef:${group}::1` },
        }),
  };
}

/** All namespaces of a lab with hosts, the one in the middle first. */
export function namespacesOf({ name, hosts }: NetworkPlan): string[] {
  return [name, ...hosts.map(({ namespace }) => namespace)];
}
