/** The program runs after the driver, on socket buffers, although the driver could run it. */
import { nameOf, placeOf, reattach } from "../shell.ts";
import { describeProgram, perSubject } from "./check.ts";

export const genericMode = perSubject("generic-mode", ({ device }) => {
  const generic = device.xdp.find(({ mode }) => mode === "skb");
  if (generic === undefined || device.features?.includes("basic") !== true || device.nativeRefusal !== null) return [];
  return [
    {
      place: placeOf(device),
      what: `${nameOf(device)} runs its program in skb (generic) mode, although its driver could run it in native mode.`,
      evidence: `${describeProgram(generic.program)} is attached in skb mode; XDP features of the driver: ${device.features.join(", ")}.`,
      why: "In skb mode the kernel has made a socket buffer before the program sees the packet: most of XDP's speed is gone, and under load packets are dropped in the queue before it. Tools that look for a program in native mode do not see this one.",
      fix: { command: reattach(device, generic, "native"), safe: false },
    },
  ];
});
