/** libxdp's dispatcher holds the device, and calls nothing: the programs it called ended with the BPF file system that their links were pinned in. */
import { isDispatcher } from "../../runtime/links/libxdp.ts";
import { ip, nameOf, placeOf, word } from "../shell.ts";
import { describeProgram, perSubject } from "./check.ts";

export const dispatcherEmpty = perSubject("dispatcher-empty", ({ device }) =>
  device.xdp
    .filter(({ program, runs }) => isDispatcher(program) && runs.length === 0)
    .map(({ program, mode }) => ({
      place: placeOf(device),
      what: `${nameOf(device)} is held by libxdp's dispatcher, which runs no program that can be seen.`,
      evidence: `${describeProgram(program)} is attached in ${mode} mode; no pin dispatch-${device.link.ifindex}-${program.id} in a BPF file system that this process sees.`,
      why: "The dispatcher passes every packet when none of its programs is left. They end when the BPF file system goes in which xdp-loader pinned them, as that of `ip netns exec` does when the command ends. Other loaders find the device busy.",
      fix: {
        command: ip(device.network, `link set dev ${word(device.link.name)} ${mode === "skb" ? "xdpgeneric" : "xdpdrv"} off`),
        safe: false,
      },
    })),
);
