/** The packets that a command line names: in hexadecimal, by their layers, or in a capture file. */
import { readFileSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import { buildPacket } from "../packet/build.ts";
import { parseHex } from "../packet/hex.ts";
import { readCapture } from "../packet/pcap.ts";

export interface PacketInput {
  packet?: string;
  pcap?: string;
  /** Counted from 1. */
  number?: number;
}

/** At least one. @throws WirescriptError USAGE, BAD_FILE. */
export function readPackets({ packet, pcap, number }: PacketInput): Uint8Array[] {
  if ((packet === undefined) === (pcap === undefined)) {
    throw new WirescriptError({
      code: "USAGE",
      what: packet === undefined ? "There is no packet to run the program on." : "There are two sources of packets.",
      why: "A packet comes either from --packet or from a capture file.",
      fix: 'For example: --packet "eth/ip/udp(dport=53)/payload", or --pcap FILE',
    });
  }
  // Every description begins with "eth", which is no hexadecimal number.
  if (packet !== undefined) return [/^[0-9a-f\s:x-]*$/i.test(packet) ? parseHex(packet) : buildPacket(packet)];
  const file = pcap === "-" ? "the standard input" : (pcap ?? "");
  const frames = readCapture(bytesOf(pcap ?? ""), file);
  if (number !== undefined) {
    const frame = frames[number - 1];
    if (frame !== undefined) return [frame];
  }
  if (number === undefined && frames.length > 0) return frames;
  throw new WirescriptError({
    code: "USAGE",
    what: number === undefined ? `${file} holds no packets.` : `${file} has no packet ${number}.`,
    why: `It holds ${frames.length}.`,
    fix: "Name a packet that is there, or another file.",
  });
}

function bytesOf(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path === "-" ? 0 : path));
  } catch (cause) {
    throw new WirescriptError({
      code: "BAD_FILE",
      what: `The file ${path} cannot be read.`,
      why: (cause as NodeJS.ErrnoException).code === "ENOENT" ? "There is no such file." : (cause as Error).message,
      fix: "Give the path of a capture file.",
      cause,
    });
  }
}
