/** There is no program on the device at all: packets go their ordinary way, and what was expected of the program does not happen. */
import { nameOf, own, placeOf, word } from "../shell.ts";
import { perSubject } from "./check.ts";

export const noProgram = perSubject("no-program", ({ device, asked }) => {
  if (!asked || device.xdp.length > 0 || device.tcPrograms.length > 0) return [];
  return [
    {
      place: placeOf(device),
      what: `${nameOf(device)} has no XDP program and no TC program.`,
      evidence: "XDP: none in any mode; TCX and clsact: none, ingress and egress.",
      why: "Packets are not seen by any program there: nothing is answered, redirected or counted. A program that a bpf_link holds goes when the process ends that holds it.",
      fix: { command: own(device.network, "load", `${word(device.link.name)} FILE`), safe: false },
    },
  ];
});
