/** What has to be true before a lab is made; each with what to do when it is not. Nothing here changes anything. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { WirescriptError } from "../errors.ts";
import { isErrno } from "../sys/errno.ts";
import { prefixesOverlap } from "../sys/ip-address.ts";
import { BPFFS_PATH } from "../sys/mount.ts";
import { inPassingNamespace, NETNS_DIRECTORY, namespaceExists } from "../sys/namespaces.ts";
import { listAddresses } from "../sys/netlink/address.ts";
import { addVethPair, addVlan, findLink, getLink, listLinks } from "../sys/netlink/link.ts";
import { MESSAGES } from "./messages.ts";
import { MAX_NUMBER, MAX_NUMBER_IP4, networksOf } from "./plan.ts";

/** @throws WirescriptError NO_PRIVILEGES; UNSUPPORTED_SYSTEM on other systems than Linux. */
export function requireRoot(): void {
  if (process.platform !== "linux") {
    throw new WirescriptError({
      code: "UNSUPPORTED_SYSTEM",
      what: `There are no labs on ${process.platform}.`,
      why: "They are made of Linux network namespaces.",
      fix: "Run this on Linux.",
    });
  }
  if (process.geteuid?.() === 0) return;
  throw new WirescriptError({
    code: "NO_PRIVILEGES",
    what: MESSAGES.needsRoot,
    why: "It makes network namespaces and devices.",
    fix: "Run it as root, e.g. with sudo.",
  });
}

/** @throws WirescriptError UNSUPPORTED_SYSTEM when new devices in the thread's network namespace have no IPv6. */
export function requireIpv6(): void {
  const settings = "/proc/sys/net/ipv6/conf";
  if (!existsSync(settings)) {
    throw new WirescriptError({
      code: "UNSUPPORTED_SYSTEM",
      what: "A lab needs IPv6, which this kernel does not have.",
      why: `${settings} is missing: IPv6 was not built in, or was switched off at boot (ipv6.disable=1).`,
      fix: "Remove ipv6.disable=1 from the kernel's command line and boot again.",
    });
  }
  const disabled = ["all", "default"].filter(
    (scope) => readFileSync(join(settings, scope, "disable_ipv6"), "utf8").trim() === "1",
  );
  if (disabled.length === 0) return;
  throw new WirescriptError({
    code: "UNSUPPORTED_SYSTEM",
    what: "A lab needs IPv6, which is disabled here.",
    why: `${disabled.map((scope) => `net.ipv6.conf.${scope}.disable_ipv6`).join(" and ")} is 1.`,
    fix: "Run: sysctl -w net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0",
  });
}

/** @throws WirescriptError UNSUPPORTED_SYSTEM when the kernel cannot make VLAN devices; it is tried in a namespace that is gone at once. */
export function requireVlans(): void {
  try {
    inPassingNamespace(() => {
      addVethPair({ name: "a", peerName: "b" });
      addVlan({ name: "a.1", parentIfindex: getLink("a").ifindex, vlanId: 1 });
    });
  } catch (cause) {
    if (!isErrno(cause, "EOPNOTSUPP")) throw cause;
    throw new WirescriptError({
      code: "UNSUPPORTED_SYSTEM",
      what: "A lab with VLANs cannot be made here.",
      why: "This kernel has no VLAN devices (CONFIG_VLAN_8021Q).",
      fix: "Leave out --vlan; or load the module with `modprobe 8021q`, or boot a kernel that has it.",
      cause,
    });
  }
}

/** @throws WirescriptError LAB when something else has the name that the lab's device, namespace or pins would have. */
export function requireNameFree(name: string): void {
  const taken = (what: string, fix: string) =>
    new WirescriptError({
      code: "LAB",
      what: `The name '${name}' is taken.`,
      why: `${what}, and it is not a lab's.`,
      fix: `Choose another name, or remove it: ${fix}`,
    });
  if (namespaceExists(name))
    throw taken(`There is a network namespace of that name (${NETNS_DIRECTORY}/${name})`, `ip netns delete ${name}`);
  if (findLink(name) !== null) throw taken("There is a network device of that name", `ip link delete ${name}`);
  const pins = join(BPFFS_PATH, name);
  // An empty one holds nothing that the lab's end would take away.
  if (existsSync(pins) && readdirSync(pins).length > 0)
    throw taken(`There are pinned BPF objects under ${pins}`, `rm -r ${pins}`);
}

/**
 * The number for a new lab: the one after the last, as in the tutorial's test environment; but never one whose networks this host
 * is already in. When these have run out, the smallest free one.
 *
 * @throws WirescriptError LAB when there is none.
 */
export function chooseNumber(options: { last: number; used: ReadonlySet<number>; legacyIp: boolean; vlan: boolean }): number {
  const max = options.legacyIp ? MAX_NUMBER_IP4 : MAX_NUMBER;
  const inUse = listAddresses();
  const isFree = (number: number) =>
    !options.used.has(number) &&
    !networksOf(number, options).some((network) => inUse.some((address) => prefixesOverlap(network, address)));
  for (let number = options.last + 1; number <= max; number++) if (isFree(number)) return number;
  for (let number = 1; number <= Math.min(options.last, max); number++) if (isFree(number)) return number;
  throw new WirescriptError({
    code: "LAB",
    what: "There is no address left for another lab.",
    why: `All ${max} numbers are used by labs, or this host has addresses in their networks.`,
    fix: "Tear down labs that are no longer needed.",
  });
}

/** @throws WirescriptError LAB when this host has an address in one of the networks of lab `number`. */
export function requireAddressesFree(number: number, options: { legacyIp: boolean; vlan: boolean }): void {
  for (const network of networksOf(number, options)) {
    const conflict = listAddresses().find((address) => prefixesOverlap(network, address));
    if (conflict === undefined) continue;
    const device = listLinks().find((link) => link.ifindex === conflict.ifindex)?.name ?? `device ${conflict.ifindex}`;
    throw new WirescriptError({
      code: "LAB",
      what: `The addresses of lab number ${number} are taken.`,
      why: `${device} has ${conflict.address}/${conflict.prefixLength}, which is in ${network.address}/${network.prefixLength}.`,
      fix: "Remove that address, or set up a new lab, which takes other addresses.",
    });
  }
}
