/** The place for TC programs is there, and no program in it. */
import { nameOf, placeOf, tc, word } from "../shell.ts";
import { perSubject } from "./check.ts";

export const clsactEmpty = perSubject("clsact-empty", ({ device }) => {
  const qdisc = device.qdiscs.find((kind) => kind === "clsact" || kind === "ingress");
  if (qdisc === undefined || device.filters.length > 0 || device.otherFilters > 0) return [];
  return [
    {
      place: placeOf(device),
      what: `${nameOf(device)} has the qdisc ${qdisc}, and no filter on it.`,
      evidence: `tc qdisc show dev ${device.link.name}: ${device.qdiscs.join(", ")}; ingress and egress filters: none.`,
      why: "Somebody prepared the device for a TC program, and the program is not there: it was never attached, or its filter was removed. What an XDP program leaves for it (a mark, metadata) is not acted upon.",
      fix: { command: tc(device.network, `qdisc del dev ${word(device.link.name)} ${qdisc}`), safe: false },
    },
  ];
});
