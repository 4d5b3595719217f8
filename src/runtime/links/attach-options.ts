/** What every way of attaching asks of its options, checked before the kernel is: a value that it does not know would mean another one there. */
import { checkOptionNames, wrongArgument } from "../arguments.ts";
import type { FollowOptions } from "./follow.ts";
import type { TcAttachOptions, TcFilterOptions } from "./tc.ts";
import type { XdpAttachOptions } from "./xdp-link.ts";

const MODES: ReadonlySet<unknown> = new Set([undefined, "auto", "native", "skb", "hw"]);
const DIRECTIONS: ReadonlySet<unknown> = new Set([undefined, "ingress", "egress"]);
const VIAS: ReadonlySet<unknown> = new Set([undefined, "tcx", "clsact"]);

/** Of all ways: those that mean nothing to one of them are left out by it, as where XDP and TC are attached by the same lines. */
const NAMES: Record<keyof XdpAttachOptions | keyof TcAttachOptions | keyof TcFilterOptions | keyof FollowOptions, true> = {
  ...{ dev: true, netns: true, mode: true, force: true, replace: true },
  ...{ direction: true, via: true, order: true, expectedRevision: true, priority: true, handle: true },
  ...{ persistent: true, signal: true, onEvent: true },
};

/** @throws WirescriptError USAGE when the options name no device, are unknown, or have a mode, direction or way that is. */
export function checkAttachOptions(program: string, options: object): void {
  const refused = (value: unknown, wanted: string, fix: string) =>
    wrongArgument(`The program "${program}" was not attached.`, value, wanted, fix);
  if (typeof options !== "object" || options === null) {
    throw refused(options, "Where to attach is said by options", 'Name the device: { dev: "eth0" }');
  }
  checkOptionNames(`The program "${program}" was not attached.`, options, NAMES);
  const { dev, mode, direction, via } = options as { dev?: unknown; mode?: unknown; direction?: unknown; via?: unknown };
  if (typeof dev !== "string" && typeof dev !== "number") {
    throw refused(dev, "`dev` is a device's name or index", 'Name the device: { dev: "eth0" }');
  }
  if (!MODES.has(mode)) throw refused(mode, '`mode` is "native", "skb", "hw" or "auto"', "Give one of these, or leave it out.");
  if (!DIRECTIONS.has(direction)) throw refused(direction, '`direction` is "ingress" or "egress"', "Give one of these.");
  if (!VIAS.has(via)) throw refused(via, '`via` is "tcx" or "clsact"', "Give one of these, or leave it out.");
}
