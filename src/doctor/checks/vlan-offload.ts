/**
 * VLAN tags are taken out of frames before programs see them: by a card that strips them (rxvlan), or on a veth by the sender, which leaves the tag
 * beside the frame for a card to put in (txvlan).
 */
import { inside, nameOf, placeOf, word } from "../shell.ts";
import { perSubject } from "./check.ts";

export const vlanOffload = perSubject("vlan-offload", ({ device }) => {
  const { peer, offloads, xdp } = device;
  const vlans = [...device.vlans, ...(peer?.vlans ?? [])];
  const isVeth = device.link.kind === "veth";
  const culprit = isVeth ? (peer?.offloads?.txVlan === true ? peer : null) : offloads?.rxVlan === true ? device : null;
  if (xdp.length === 0 || vlans.length === 0 || culprit === null) return [];
  const setting = isVeth ? "tx-vlan-offload" : "rx-vlan-offload";
  return [
    {
      place: placeOf(culprit),
      what: `The program on ${nameOf(device)} does not see VLAN tags: ${nameOf(culprit)} keeps them outside the frame.`,
      evidence: `ethtool -k ${culprit.link.name}: ${setting}: on; VLAN devices: ${vlans.join(", ")}.`,
      why: "A program sees the bytes of the frame only. It takes tagged packets for untagged ones, and what it redirects or sends back loses its tag and arrives in the wrong VLAN, or nowhere.",
      fix: {
        command: inside(culprit.network, `ethtool -K ${word(culprit.link.name)} ${isVeth ? "txvlan" : "rxvlan"} off`),
        safe: true,
      },
    },
  ];
});
