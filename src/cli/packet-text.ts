/** Packets on the terminal: their layers, and what a program changed in them. */
import type { Layer } from "../packet/decode.ts";
import type { LayerChange } from "../packet/difference.ts";
import { paint } from "./terminal.ts";

/** Long payloads are shown up to here. */
const LONGEST = 64;

/** One line a layer that stayed; of one that changed the changed fields, before and after. */
export function packetChanges(changes: readonly LayerChange[]): string[] {
  return changes.flatMap((change) => {
    const { before, after } = change;
    // One of the two is always there.
    const layer = (after ?? before) as Layer;
    if (before === null) return [paint("green", `+ ${layer.title}  ${fields(layer)}`), ...problems(layer)];
    if (after === null) return [paint("red", `- ${layer.title}  ${fields(layer)}`)];
    if (change.changes.length === 0) return [`  ${layer.title}  ${paint("dim", fields(layer))}`, ...problems(layer)];
    const width = Math.max(...change.changes.map(({ field }) => field.length));
    return [
      `${paint("yellow", "~")} ${layer.title}`,
      ...change.changes.map(
        (each) =>
          `    ${each.field.padEnd(width)}  ${paint("red", short(each.before ?? "-"))} ${paint("dim", "→")} ${paint("green", short(each.after ?? "-"))}`,
      ),
      ...problems(layer),
    ];
  });
}

/** "src 10.0.0.1, ttl 63 (was 64)": the changes on one line. */
export function changesInShort(changes: readonly LayerChange[]): string {
  const parts = changes.flatMap(({ before, after, changes: fields }) => {
    if (before === null) return [`+${after?.protocol}`];
    if (after === null) return [`-${before.protocol}`];
    return fields.length === 0 ? [] : [`${before.protocol}.${fields.map(({ field }) => field).join("/")}`];
  });
  return parts.length === 0 ? "unchanged" : parts.join(" ");
}

/** "eth/ip/udp/payload" */
export function layerNames(layers: readonly Layer[]): string {
  return layers.map(({ protocol }) => protocol).join("/");
}

function fields(layer: Layer): string {
  return layer.fields
    .map(({ name, text }) => (name === "bytes" ? `${layer.length} bytes ${short(text)}` : `${name} ${short(text)}`))
    .join(", ");
}

function problems({ problems }: Layer): string[] {
  return problems.map((problem) => `    ${paint("red", "!")} ${problem}`);
}

function short(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
