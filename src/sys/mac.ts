/** Ethernet addresses as people write them, and as bytes. */
import { WirescriptError } from "../errors.ts";

/** "02:00:00:00:00:01" from six bytes. */
export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Six bytes from "02:00:00:00:00:01". @throws WirescriptError USAGE for anything else. */
export function parseMac(text: string): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    throw new WirescriptError({
      code: "USAGE",
      what: `"${text}" is no Ethernet address.`,
      why: "It takes six pairs of hexadecimal digits with colons between them.",
      fix: 'Write it like "02:00:00:00:00:01".',
    });
  }
  return Uint8Array.from(text.split(":"), (pair) => Number.parseInt(pair, 16));
}
