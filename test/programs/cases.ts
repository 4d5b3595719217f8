/**
 * A specification as cases: a packet, the verdict, and every byte of the packet afterwards. Cases are made here and judged by
 * `firstWrong` alone, so that the tests of the shipped programs, of wrong ones (which must be found out) and of differently compiled
 * ones all ask the same.
 */
import { ETHERNET_HEADER, type Exchange, hex } from "../packets/index.ts";
import { ACTIONS, type Answer, type Subject, XDP_PASS, XDP_TX } from "./subject.ts";

export interface Case {
  /** What is special about the packet. */
  what: string;
  packet: Uint8Array;
  action: number;
  /** The packet as the program has to leave it. */
  after: Uint8Array;
}

/** The shortest packet that BPF_PROG_TEST_RUN takes. */
export const SHORTEST = ETHERNET_HEADER;

/** Goes back to where it came from. */
export function answered(what: string, { request, reply }: Exchange): Case {
  return { what, packet: request, action: XDP_TX, after: reply };
}

/** Goes on to the network stack as it came. */
export function passed(what: string, packet: Uint8Array): Case {
  return { what, packet, action: XDP_PASS, after: packet };
}

/** The first case that `run` does not do right, in words; null when it does all. */
export function firstWrong(run: (packet: Uint8Array) => Answer, cases: Iterable<Case>): string | null {
  let count = 0;
  for (const { what, packet, action, after } of cases) {
    count++;
    const got = run(packet);
    if (got.action === action && Buffer.compare(got.packet, after) === 0) continue;
    return [
      `${what}:`,
      `  packet   ${hex(packet)} (${packet.length} bytes)`,
      `  expected ${hex(after)} ${ACTIONS[action]}`,
      `  got      ${hex(got.packet)} ${ACTIONS[got.action] ?? got.action}`,
    ].join("\n");
  }
  // Nothing asked is nothing proved.
  return count === 0 ? "there were no cases" : null;
}

/**
 * What `subject` counts wrongly over these cases, in words; null when each action has as many packets and bytes more as there were
 * cases of it.
 */
export function miscounted(subject: Subject, cases: Iterable<Case>): string | null {
  const before = subject.counts();
  const expected = structuredClone(before);
  for (const { packet, action } of cases) {
    subject.run(packet);
    const row = expected[ACTIONS[action] ?? "XDP_ABORTED"];
    row.rx_packets++;
    row.rx_bytes += BigInt(packet.length);
  }
  const after = subject.counts();
  for (const name of ACTIONS) {
    const [got, wanted] = [after[name], expected[name]];
    if (got.rx_packets === wanted.rx_packets && got.rx_bytes === wanted.rx_bytes) continue;
    return `${name}: ${got.rx_packets} packets, ${got.rx_bytes} bytes; expected ${wanted.rx_packets}, ${wanted.rx_bytes}`;
  }
  return null;
}
