/**
 * The driver of the device that packets are redirected to does not take them. A veth takes them when its other end receives by NAPI: when that has
 * an XDP program or GRO (veth_xdp_xmit in the kernel's drivers/net/veth.c). Many cards take them only while they have an XDP program themselves.
 * In skb mode the kernel sends redirected packets as all others, which every driver takes.
 */
import type { Fix } from "../finding.ts";
import { inside, nameOf, own, PASS_PROGRAM, placeOf, reattach, word } from "../shell.ts";
import type { Device, XdpOnDevice } from "../snapshot/index.ts";
import { nativeOn, perSubject } from "./check.ts";

/** Devices without a driver that could take frames, whatever is done to them. */
const NEVER = new Set(["vlan", "bridge", "dummy", "ifb", "vxlan", "gre", "ipip", "sit", "wireguard", "macvlan", "ipvlan"]);

export const redirectTarget = perSubject("redirect-target", ({ device, targets }) => {
  const program = nativeOn(device);
  if (program === null) return [];
  const deaf = targets.filter((target) => target.device !== null && !takesFrames(target.device));
  return deaf.flatMap((target) => {
    if (target.device === null) return [];
    const { peer, link } = target.device;
    const isVeth = link.kind === "veth" && peer !== null;
    return {
      place: placeOf(target.device),
      what: isVeth
        ? `${nameOf(target.device)} loses what XDP redirects to it: its other end, ${nameOf(peer)}, has neither an XDP program nor GRO.`
        : `${nameOf(target.device)} takes no packets that XDP redirects to it.`,
      evidence: `${nameOf(device)} runs "${program.program.name}" in native mode, and ${target.source} sends to ifindex ${target.ifindex}. ${evidence(target.device)}`,
      why: isVeth
        ? "A veth hands redirected packets to its other end's NAPI, which only an XDP program or GRO turns on; without it each is dropped after XDP_REDIRECT was counted."
        : "Redirected packets go straight to the driver (ndo_xdp_xmit), and this one has no such function, or none at the moment; each is dropped after XDP_REDIRECT was counted.",
      fix: fixFor(target.device, device, program),
    };
  });
});

/**
 * What the driver says itself where the kernel tells (Linux 6.3). A veth's word is not enough: when GRO is switched while the other end is down, it
 * goes on saying what was true before.
 */
function takesFrames({ features, link, peer }: Device): boolean {
  const says = features === null ? link.name !== "lo" && !NEVER.has(link.kind ?? "") : features.includes("ndo-xmit");
  if (link.kind !== "veth" || peer === null) return says;
  return says && (peer.offloads?.gro === true || nativeOn(peer) !== null);
}

function evidence({ features, peer, link }: Device): string {
  const own = features === null ? "" : `XDP features of ${link.name}: ${features.join(", ") || "none"}.`;
  if (peer === null) return own;
  return `${own} ${peer.link.name}: XDP program: ${nativeOn(peer) === null ? "none" : "yes"}, generic-receive-offload: ${peer.offloads?.gro === true ? "on" : "off"}.`.trim();
}

function fixFor(target: Device, device: Device, program: XdpOnDevice): Fix {
  const { peer, link, network } = target;
  if (link.kind === "veth" && peer !== null) {
    const set = (state: "on" | "off"): string => `ethtool -K ${word(peer.link.name)} gro ${state}`;
    // The driver takes note only when it changes.
    return {
      command: inside(peer.network, peer.offloads?.gro === true ? `${set("off")} && ${set("on")}` : set("on")),
      safe: true,
    };
  }
  if (link.name === "lo" || NEVER.has(link.kind ?? "")) return { command: reattach(device, program, "skb"), safe: false };
  return { command: own(network, "load", `${word(link.name)} ${word(PASS_PROGRAM)}`), safe: false };
}
