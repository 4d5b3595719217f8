/**
 * A sender on a veth leaves checksums to a card that does not exist. That is fine while the kernel remembers it (a socket buffer says so), but what
 * native XDP redirects is the bare frame: the receiver finds a wrong checksum. Pings are not concerned, because their checksums are made at once.
 */
import { inside, nameOf, placeOf, word } from "../shell.ts";
import { describeProgram, nativeOn, perSubject, programsOn } from "./check.ts";

export const checksumOffload = perSubject("checksum-offload", ({ device }) => {
  const { peer } = device;
  const redirecting = programsOn(device).find(({ redirects }) => redirects);
  if (nativeOn(device) === null || peer?.offloads?.txChecksum !== true || redirecting === undefined) return [];
  return [
    {
      place: placeOf(peer),
      what: `${nameOf(peer)} sends TCP and UDP with unfinished checksums, and ${nameOf(device)} redirects them as they are.`,
      evidence: `ethtool -k ${peer.link.name}: tx-checksumming: on. ${describeProgram(redirecting)} on ${nameOf(device)} redirects in native mode.`,
      why: "A veth has nobody who fills in checksums later, and XDP_REDIRECT carries the frame only: the receiver drops each TCP and UDP packet for its checksum, while pings work.",
      fix: { command: inside(peer.network, `ethtool -K ${word(peer.link.name)} tx off`), safe: true },
    },
  ];
});
