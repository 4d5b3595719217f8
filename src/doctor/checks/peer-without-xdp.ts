/**
 * XDP_TX on a veth sends the packet to the other end, and the kernel (up to 6.18) wakes that end only when it has an XDP program in its driver:
 * veth_xdp_flush in drivers/net/veth.c looks for the program, not for NAPI. So GRO, which is enough for XDP_REDIRECT, is not enough here.
 */
import { nameOf, own, PASS_PROGRAM, placeOf, word } from "../shell.ts";
import { describeProgram, nativeOn, perSubject, programsOn } from "./check.ts";

export const peerWithoutXdp = perSubject("peer-without-xdp", ({ device }) => {
  const { peer } = device;
  const answering = programsOn(device).find(({ answers }) => answers);
  if (nativeOn(device) === null || peer === null || nativeOn(peer) !== null || answering === undefined) return [];
  return [
    {
      place: placeOf(peer),
      what: `${nameOf(peer)} has no XDP program, so what ${nameOf(device)} sends back with XDP_TX never arrives there.`,
      evidence: `${describeProgram(answering)} on ${nameOf(device)} may return XDP_TX; XDP programs in native mode on its other end, ${nameOf(peer)}: none.`,
      why: "A veth puts packets of XDP_TX into its other end's queue and wakes that end only if it has an XDP program in native mode; until then they wait, and when the queue is full they are dropped.",
      fix: { command: own(peer.network, "load", `${word(peer.link.name)} ${word(PASS_PROGRAM)}`), safe: true },
    },
  ];
});
