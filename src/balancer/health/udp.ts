/** Well is who answers a datagram, with what the check expects at its beginning; whose host says that nobody listens is not. */
import { createSocket } from "node:dgram";
import type { Check } from "../state.ts";
import type { Target } from "./probe.ts";
import { Sick, sick } from "./sick.ts";

type UdpCheck = Extract<Check, { type: "udp" }>;

export function probeUdp({ send, expect }: UdpCheck, { address, port }: Target, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    const end = (error?: Error): void => {
      signal.removeEventListener("abort", onAbort);
      socket.removeAllListeners();
      // What the network says about it now is nobody's concern.
      socket.on("error", () => {});
      socket.close();
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = () => end(new Sick("no answer in time"));
    socket.on("error", (error) => end(sick(error)));
    socket.once("message", (message) => {
      const isExpected = expect === undefined || message.subarray(0, Buffer.byteLength(expect)).equals(Buffer.from(expect));
      end(isExpected ? undefined : new Sick("another answer than expected"));
    });
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) return onAbort();
    // Connected, so that it hears of ICMP errors, and of nobody else.
    socket.connect(port, address, () => {
      socket.send(send, (error) => {
        if (error) end(sick(error));
      });
    });
  });
}
