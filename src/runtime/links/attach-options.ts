/** What every way of attaching asks of its options, checked before the kernel is: a value that it does not know would mean another one there. */
import { wrongArgument } from "../arguments.ts";

const MODES: ReadonlySet<unknown> = new Set([undefined, "auto", "native", "skb", "hw"]);
const DIRECTIONS: ReadonlySet<unknown> = new Set([undefined, "ingress", "egress"]);

/** @throws WirescriptError USAGE when the options name no device, or have an unknown mode or direction. */
export function checkAttachOptions(program: string, options: object): void {
  const refused = (value: unknown, wanted: string, fix: string) =>
    wrongArgument(`The program "${program}" was not attached.`, value, wanted, fix);
  if (typeof options !== "object" || options === null) {
    throw refused(options, "Where to attach is said by options", 'Name the device: { dev: "eth0" }');
  }
  const { dev, mode, direction } = options as { dev?: unknown; mode?: unknown; direction?: unknown };
  if (typeof dev !== "string" && typeof dev !== "number") {
    throw refused(dev, "`dev` is a device's name or index", 'Name the device: { dev: "eth0" }');
  }
  if (!MODES.has(mode)) throw refused(mode, '`mode` is "native", "skb", "hw" or "auto"', "Give one of these, or leave it out.");
  if (!DIRECTIONS.has(direction)) throw refused(direction, '`direction` is "ingress" or "egress"', "Give one of these.");
}
