/** Well is who answers a ping. Needs CAP_NET_RAW. */
import { randomBytes } from "node:crypto";
import { WirescriptError } from "../../errors.ts";
import { EchoExchange } from "../../lab/echo.ts";
import { SyscallError } from "../../sys/errno.ts";
import { Readiness } from "../../sys/readiness.ts";
import { openEchoSocket, type RawSocket } from "../../sys/sockets.ts";
import type { Target } from "./probe.ts";
import { Sick, sick } from "./sick.ts";

export async function probeIcmp({ address }: Target, signal: AbortSignal): Promise<void> {
  try {
    using socket = openEchoSocket(address);
    using readiness = new Readiness([socket.fd]);
    const exchange = new EchoExchange(address.includes(":") ? 6 : 4, randomBytes(16));
    socket.send(exchange.request(1));
    while (!answered(socket, exchange)) await readable(readiness, signal);
  } catch (error) {
    if (error instanceof SyscallError) throw sick(Object.assign(new Error(error.message), { code: error.errnoName }));
    if (error instanceof WirescriptError) throw new Sick(error.message, { cause: error });
    throw sick(error);
  }
}

/** Reads all that is there. */
function answered(socket: RawSocket, exchange: EchoExchange): boolean {
  for (;;) {
    const received = socket.receive(0);
    if (received === null) return false;
    if (exchange.judge(received.bytes).verdict === "valid") return true;
  }
}

function readable(readiness: Readiness, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      readiness.cancel();
      reject(new Sick("no answer in time"));
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    readiness.wait(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
  });
}
