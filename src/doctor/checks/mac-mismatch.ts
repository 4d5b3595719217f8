/**
 * A redirecting program writes a receiver's MAC address into the frame that nobody at the other end of the target has. The frame arrives, and the
 * receiver's stack drops it as somebody else's (PACKET_OTHERHOST); readers of tutorials copy the address of the wrong end.
 */
import type { Fix } from "../finding.ts";
import { nameOf, own, placeOf, word } from "../shell.ts";
import type { Device, Target, TargetMac } from "../snapshot/index.ts";
import { describeMap } from "../snapshot/index.ts";
import { perSubject, programsOn } from "./check.ts";

const IFF_PROMISC = 0x100;

export const macMismatch = perSubject("mac-mismatch", ({ device, targets }) => {
  const told = targets.filter(({ macs }) => macs.length > 0);
  return groups(told).flatMap((group) => {
    const [first] = group;
    const receivers = group.map((target) => (target.device === null ? null : receiverOf(target.device)));
    // One receiver that cannot be known, or whose address is among them, is enough: it may be meant.
    if (first === undefined || receivers.some((each) => each === null || first.macs.some(({ mac }) => takes(each, mac))))
      return [];
    const receiver = receivers[0];
    const [wrong] = first.macs;
    if (receiver === null || receiver === undefined || wrong === undefined) return [];
    return [
      {
        place: placeOf(device),
        what: `The program on ${nameOf(device)} addresses packets to ${wrong.mac}, and ${nameOf(receiver)}, where they arrive, has another address.`,
        evidence: `${describeMap(wrong.map)} has ${first.macs.map(({ field, mac }) => (field === null ? mac : `${field} ${mac}`)).join(", ")}; ${first.source} sends to ifindex ${first.ifindex}, and the address of ${nameOf(receiver)} at its other end is ${receiver.link.mac}.`,
        why: "XDP_REDIRECT is counted and the frame arrives, and the receiver's network stack drops it, as any that is addressed to somebody else. tcpdump shows it there.",
        fix: fixFor(device, wrong, receiver.link.mac ?? ""),
      },
    ];
  });
});

/** Targets that were told the same addresses. */
function groups(targets: readonly Target[]): Target[][] {
  const groups = new Map<string, Target[]>();
  for (const target of targets) {
    const key = target.macs.map(({ mac, map }) => `${map.id} ${mac}`).join();
    groups.set(key, [...(groups.get(key) ?? []), target]);
  }
  return [...groups.values()];
}

/** Who receives what leaves by the device; null when it is not known, or takes frames for others too. */
function receiverOf({ peer }: Device): Device | null {
  if (peer === null || peer.link.masterIfindex !== null || (peer.link.flags & IFF_PROMISC) !== 0) return null;
  // Programs there may make anything of a frame.
  const isProcessed = peer.tcPrograms.length > 0 || programsOn(peer).some(({ redirects, answers }) => redirects || answers);
  return isProcessed ? null : peer;
}

/** Groups (multicast, broadcast) are for everybody; devices on top of the receiver have addresses of their own. */
function takes({ network, link }: Device, mac: string): boolean {
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) !== 0) return true;
  return network.links.some((each) => each.mac === mac && (each.ifindex === link.ifindex || each.peerIfindex === link.ifindex));
}

function fixFor(device: Device, { map, entry, field }: TargetMac, mac: string): Fix {
  // The section of settings cannot be written any more: the program has to be loaded anew.
  if (map.name.includes(".rodata")) {
    const settings =
      typeof entry.value === "object" && entry.value !== null && !Array.isArray(entry.value) ? Object.entries(entry.value) : [];
    const told = settings.flatMap(([name, value]) =>
      typeof value === "number" || typeof value === "string"
        ? [`--set ${word(`${name}=${name === field ? mac : value}`)}`]
        : [],
    );
    return { command: own(device.network, "load", `--force ${word(device.link.name)} FILE ${told.join(" ")}`), safe: false };
  }
  const isWhole = typeof entry.value === "string";
  if (!isWhole && field === null) return { command: `wirescript maps dump ${map.id}`, safe: false };
  const value = isWhole ? mac : JSON.stringify({ ...(entry.value as object), [field ?? ""]: mac });
  const key = typeof entry.key === "object" ? JSON.stringify(entry.key) : `${entry.key}`;
  return { command: `wirescript maps set ${map.id} ${word(key)} ${word(value)}`, safe: false };
}
