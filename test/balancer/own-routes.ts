/**
 * A network of this process's own with routes to backends, as fixtures/leaving.py has them. A test run's packets come in by the loopback device of
 * the calling thread's network, so the thread moves there for good.
 */
import { writeFileSync } from "node:fs";
import { syscall } from "../../src/sys/ffi.ts";
import {
  addRefusingRoute,
  addRoute,
  addVethPair,
  getLink,
  setLinkMac,
  setLinkUp,
  setPermanentNeighbour,
} from "../../src/sys/netlink/index.ts";

const CLONE_NEWNET = 0x40000000;

/** Devices "out" and "unknown". Needs root. */
export function enterOwnRoutes(): void {
  syscall("unshare", CLONE_NEWNET);
  addVethPair({ name: "out", peerName: "out-peer" });
  addVethPair({ name: "unknown", peerName: "unknown-peer" });
  const { ifindex } = getLink("out");
  setLinkMac(ifindex, "02:00:00:00:0d:01");
  for (const device of ["lo", "out", "out-peer", "unknown", "unknown-peer"]) setLinkUp(getLink(device).ifindex, true);
  writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
  writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
  for (const { network, prefixLength } of FAMILIES) {
    const host = (part: number, number: number) => network(part) + (prefixLength === 24 ? number : number.toString(16));
    const destination = (part: number) => ({ address: host(part, 0), prefixLength });
    addRoute({ destination: destination(0), ifindex });
    setPermanentNeighbour({ ifindex, address: host(0, 11), mac: "02:00:00:00:be:0b" });
    setPermanentNeighbour({ ifindex, address: host(0, 254), mac: "02:00:00:00:0d:fe" });
    addRoute({ destination: destination(1), gateway: host(0, 254), ifindex });
    addRefusingRoute({ destination: destination(2), refusal: "blackhole" });
  }
}

const FAMILIES = [
  { network: (part: number) => `10.0.${part}.`, prefixLength: 24 },
  { network: (part: number) => (part === 0 ? "2001:db8:b::" : `2001:db8:b:${part}::`), prefixLength: 64 },
];
