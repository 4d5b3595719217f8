/** Which names network devices can have, as the kernel decides it (dev_valid_name in net/core/dev.c). Who waits for another one waits for ever. */
import { wrongArgument } from "../arguments.ts";

/** IFNAMSIZ, with the zero byte at the end. */
const NAME_BYTES = 16;
/** White space, as the kernel has it: in Latin-1, so that also a byte in the middle of a letter of UTF-8 counts. */
const SPACE: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0xa0]);

/** Why no device can have that name; null when one can. */
export function impossibleName(name: string): string | null {
  const bytes = Buffer.from(name);
  if (bytes.length === 0) return "a name has a character at least";
  if (bytes.length >= NAME_BYTES) return `a name has at most ${NAME_BYTES - 1} bytes`;
  if (name === "." || name === "..") return "names are directories in /sys/class/net";
  // "veth%d" is a wish for a number, and never a name.
  if (/[/:%\0]/.test(name)) return "a name has no slash, colon, percent sign or zero byte";
  return bytes.some((byte) => SPACE.has(byte)) ? "a name has no white space" : null;
}

/** @throws WirescriptError USAGE for a name that no device can have. `what`: the sentence that says what was tried. */
export function checkDeviceName(name: string, what: string): void {
  const why = typeof name === "string" ? impossibleName(name) : "it is text";
  if (why === null) return;
  throw wrongArgument(
    what,
    name,
    `No device can have that name: ${why}`,
    "Give the name of a device as `ip link` shows it, without the part behind @.",
  );
}
