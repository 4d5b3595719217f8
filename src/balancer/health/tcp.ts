/** Well is who accepts a connection. It is closed in order: servers there are that a reset ends. */
import { connect } from "node:net";
import type { Target } from "./probe.ts";
import { sick } from "./sick.ts";

export function probeTcp({ address, port }: Target, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, signal });
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
    // Also what comes after the answer, which nobody minds.
    socket.on("error", (error) => reject(sick(error)));
  });
}
