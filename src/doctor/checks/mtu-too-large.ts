/** The device's packets may be larger than what a program in native mode can see in one piece. */
import { ip, nameOf, placeOf, word } from "../shell.ts";
import { perSubject } from "./check.ts";

/** What every driver takes. */
const STANDARD_MTU = 1500;

export const mtuTooLarge = perSubject("mtu-too-large", ({ device }) => {
  const { peer, nativeRefusal, link } = device;
  if (nativeRefusal === null || peer === null) return [];
  // The driver minds the size of what comes in, which is what the other end may send.
  const sender = peer.link.mtu >= link.mtu ? peer : device;
  return [
    {
      place: placeOf(sender),
      what: `${nameOf(device)} takes no program in native mode: packets that ${nameOf(sender)} sends may be too large.`,
      evidence: `MTU of ${nameOf(sender)}: ${sender.link.mtu}. ${nativeRefusal}`,
      why: "A program in native mode sees a packet in one page of memory, less the headroom before it; attaching fails, or falls back to skb mode. A program with frags: true takes larger ones.",
      fix: { command: ip(sender.network, `link set dev ${word(sender.link.name)} mtu ${STANDARD_MTU}`), safe: false },
    },
  ];
});
