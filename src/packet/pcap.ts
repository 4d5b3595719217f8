/**
 * Capture files: reads pcap (both byte orders, microseconds and nanoseconds) and pcapng, writes pcap. Only what a list of Ethernet frames
 * needs. Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
 */
import { WirescriptError } from "../errors.ts";

const PCAP_MAGIC = 0xa1b2c3d4;
const PCAP_NANOSECONDS_MAGIC = 0xa1b23c4d;
const PCAPNG_SECTION = 0x0a0d0d0a;
const PCAPNG_BYTE_ORDER = 0x1a2b3c4d;
const BLOCK = { INTERFACE: 1, SIMPLE_PACKET: 3, ENHANCED_PACKET: 6 } as const;
const LINKTYPE_ETHERNET = 1;
const PCAP_HEADER = 24;
const RECORD_HEADER = 16;
/** What no frame exceeds; a bigger length means a damaged file. */
const LONGEST = 1 << 18;

/**
 * The frames of a capture file, in its order.
 *
 * @throws WirescriptError BAD_FILE when it is neither pcap nor pcapng, damaged, cut off, not of Ethernet, or its frames were cut (snaplen).
 */
export function readCapture(bytes: Uint8Array, file: string): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = bytes.length >= 4 ? view.getUint32(0, true) : 0;
  if (magic === PCAPNG_SECTION) return readPcapng(bytes, view, file);
  for (const little of [true, false]) {
    const there = bytes.length >= PCAP_HEADER ? view.getUint32(0, little) : 0;
    if (there === PCAP_MAGIC || there === PCAP_NANOSECONDS_MAGIC) return readPcap(bytes, view, little, file);
  }
  throw damaged(file, "It starts neither as a pcap file nor as a pcapng file.");
}

function readPcap(bytes: Uint8Array, view: DataView, little: boolean, file: string): Uint8Array[] {
  mustBeEthernet(view.getUint32(20, little) & 0xffff, file);
  const frames: Uint8Array[] = [];
  for (let at = PCAP_HEADER; at < bytes.length; ) {
    if (at + RECORD_HEADER > bytes.length) throw damaged(file, `It ends within the header of frame ${frames.length + 1}.`);
    const [captured, original] = [view.getUint32(at + 8, little), view.getUint32(at + 12, little)];
    frames.push(frameAt(bytes, at + RECORD_HEADER, captured, original, frames.length + 1, file));
    at += RECORD_HEADER + captured;
  }
  return frames;
}

function readPcapng(bytes: Uint8Array, view: DataView, file: string): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let little = true;
  let linkTypes: number[] = [];
  let snapLength = 0;
  for (let at = 0; at < bytes.length; ) {
    const cut = damaged(file, `The block at byte ${at} is cut off or has a false length.`);
    if (at + 12 > bytes.length) throw cut;
    const isSection = view.getUint32(at, true) === PCAPNG_SECTION;
    if (isSection) {
      little = view.getUint32(at + 8, true) === PCAPNG_BYTE_ORDER;
      if (!little && view.getUint32(at + 8, false) !== PCAPNG_BYTE_ORDER) throw damaged(file, "Its byte order is not known.");
      linkTypes = [];
    }
    const type = view.getUint32(at, little);
    const length = view.getUint32(at + 4, little);
    if (length < 12 || length % 4 !== 0 || at + length > bytes.length) throw cut;
    if (type === BLOCK.INTERFACE) {
      if (length < 20) throw cut;
      linkTypes.push(view.getUint16(at + 8, little));
      if (linkTypes.length === 1) snapLength = view.getUint32(at + 12, little);
    } else if (type === BLOCK.ENHANCED_PACKET) {
      if (length < 32) throw cut;
      mustBeEthernet(linkTypes[view.getUint32(at + 8, little)], file);
      const [captured, original] = [view.getUint32(at + 20, little), view.getUint32(at + 24, little)];
      if (captured > length - 32) throw cut;
      frames.push(frameAt(bytes, at + 28, captured, original, frames.length + 1, file));
    } else if (type === BLOCK.SIMPLE_PACKET) {
      if (length < 16) throw cut;
      mustBeEthernet(linkTypes[0], file);
      const original = view.getUint32(at + 8, little);
      const captured = snapLength === 0 ? original : Math.min(original, snapLength);
      if (captured > length - 16) throw cut;
      frames.push(frameAt(bytes, at + 12, captured, original, frames.length + 1, file));
    }
    at += length;
  }
  return frames;
}

function frameAt(bytes: Uint8Array, at: number, captured: number, original: number, number: number, file: string): Uint8Array {
  if (captured > LONGEST || at + captured > bytes.length)
    throw damaged(file, `Frame ${number} is cut off or has a false length.`);
  if (captured < original) {
    throw new WirescriptError({
      code: "BAD_FILE",
      what: `${file} does not hold its frames whole.`,
      why: `Of frame ${number} only ${captured} of ${original} bytes were captured.`,
      fix: "Capture whole frames: tcpdump --snapshot-length 0",
    });
  }
  return bytes.slice(at, at + captured);
}

function mustBeEthernet(linkType: number | undefined, file: string): void {
  if (linkType === LINKTYPE_ETHERNET) return;
  throw new WirescriptError({
    code: "BAD_FILE",
    what: `${file} holds no Ethernet frames.`,
    why:
      linkType === undefined ? "A frame names an interface that the file does not describe." : `Its link type is ${linkType}.`,
    fix: "Capture on an Ethernet device, not on `any`: tcpdump -i eth0 -w FILE",
  });
}

function damaged(file: string, why: string): WirescriptError {
  return new WirescriptError({
    code: "BAD_FILE",
    what: `${file} is no capture file that can be read.`,
    why,
    fix: "Give a file that tcpdump -w, Wireshark or scapy's wrpcap wrote (pcap or pcapng, not compressed).",
  });
}

/** A pcap file of Ethernet frames, a microsecond apart. */
export function writeCapture(frames: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(frames.reduce((sum, frame) => sum + RECORD_HEADER + frame.length, PCAP_HEADER));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, PCAP_MAGIC, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, LONGEST, true);
  view.setUint32(20, LINKTYPE_ETHERNET, true);
  let at = PCAP_HEADER;
  for (const [index, frame] of frames.entries()) {
    view.setUint32(at, Math.floor(index / 1_000_000), true);
    view.setUint32(at + 4, index % 1_000_000, true);
    view.setUint32(at + 8, frame.length, true);
    view.setUint32(at + 12, frame.length, true);
    bytes.set(frame, at + RECORD_HEADER);
    at += RECORD_HEADER + frame.length;
  }
  return bytes;
}
