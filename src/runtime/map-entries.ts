/** Other sizes for an object's maps than it declares: a limit is the operator's to choose, and programs do not rely on it. */
import { WirescriptError } from "../errors.ts";
import type { MapSpec } from "../object/spec.ts";
import { describeValue } from "./arguments.ts";

const MOST = 0xffff_ffff;

/**
 * The maps with `max_entries` replaced by `entries`, which is by name; bytes, for ring buffers.
 *
 * @throws WirescriptError USAGE when there is no such map, or the number is none that the kernel takes.
 */
export function withEntries(maps: readonly MapSpec[], entries: Readonly<Record<string, number>>): MapSpec[] {
  for (const [name, count] of Object.entries(entries)) {
    const refuse = (why: string, fix: string): never => {
      throw new WirescriptError({
        code: "USAGE",
        what: `The map "${name}" cannot have ${describeValue(count)} entries.`,
        why,
        fix,
      });
    };
    if (!maps.some((map) => map.name === name)) {
      const names = maps.map((map) => `"${map.name}"`).join(", ");
      refuse(
        "The object has no map of that name.",
        names === "" ? "It has no maps: leave `entries` out." : `Its maps: ${names}.`,
      );
    }
    if (typeof count !== "number") {
      refuse(
        `Entries are counted by a number, and ${describeValue(count)} was given.`,
        `Give a whole number from 1 to ${MOST}.`,
      );
    }
    if (!Number.isInteger(count) || count < 1 || count > MOST) {
      refuse("The kernel counts entries in 32 bits, and makes no map without any.", `Give a whole number from 1 to ${MOST}.`);
    }
  }
  return maps.map((map) => ({ ...map, maxEntries: entries[map.name] ?? map.maxEntries }));
}
