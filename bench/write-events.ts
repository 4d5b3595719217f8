/** Another process that writes events to a ring buffer as fast as it can, by running the program that does it, until it is killed. */
import { once } from "node:events";
import { programById, programTestRun } from "../src/sys/bpf.ts";

export async function writeEvents(programId: number): Promise<never> {
  const program = programById(programId);
  process.stdout.write("ready\n");
  await once(process.stdin, "data");
  process.stdin.destroy();
  for (;;) {
    programTestRun({ program, packet: new Uint8Array(64), repeat: 100_000 });
    // A signal has its turn.
    await new Promise(setImmediate);
  }
}
