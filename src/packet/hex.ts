/** Bytes as hexadecimal text. */
import { badPacket } from "./bad-packet.ts";

/** "0a00 0001" without spaces: "0a000001". */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

/**
 * Bytes from pairs of digits; spaces, line ends, colons and dashes between bytes do not count, nor does "0x" in front.
 *
 * @throws WirescriptError USAGE naming the place that is wrong.
 */
export function parseHex(text: string): Uint8Array {
  const digits = text
    .trim()
    .replace(/^0x/i, "")
    .replace(/[\s:-]+/g, "");
  const wrong = /[^0-9a-f]/i.exec(digits);
  if (wrong !== null) {
    throw badPacket(
      "The bytes are no hexadecimal text.",
      `Digit ${wrong.index + 1} is "${wrong[0]}".`,
      "Give pairs of the digits 0-9 and a-f, for example: 02 00 00 00 00 01",
    );
  }
  if (digits.length % 2 === 1) {
    throw badPacket(
      "The bytes are no hexadecimal text.",
      `${digits.length === 1 ? "One digit is" : `${digits.length} digits are`} no whole bytes.`,
      "Give two digits for each byte.",
    );
  }
  return new Uint8Array(Buffer.from(digits, "hex"));
}
