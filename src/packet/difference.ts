/** What a program changed in a packet: the layers before and after laid beside each other, field by field. */
import type { Layer } from "./decode.ts";

export interface FieldChange {
  field: string;
  /** Null: it was not there before. */
  before: string | null;
  /** Null: it is not there any more. */
  after: string | null;
}

export interface LayerChange {
  /** Null: the layer is new. */
  before: Layer | null;
  /** Null: the layer is gone. */
  after: Layer | null;
  changes: FieldChange[];
}

/** All layers, in the order of the packet; `changes` is empty where nothing changed. */
export function comparePackets(before: readonly Layer[], after: readonly Layer[]): LayerChange[] {
  return align(before, after).map(([left, right]) => ({ before: left, after: right, changes: changesOf(left, right) }));
}

function changesOf(before: Layer | null, after: Layer | null): FieldChange[] {
  const names = new Set([...(before?.fields ?? []), ...(after?.fields ?? [])].map(({ name }) => name));
  return [...names].flatMap((field) => {
    const [old, now] = [textOf(before, field), textOf(after, field)];
    return old === now ? [] : [{ field, before: old, after: now }];
  });
}

function textOf(layer: Layer | null, field: string): string | null {
  return layer?.fields.find(({ name }) => name === field)?.text ?? null;
}

/** Which layer became which: those of one protocol, chosen so that most fields stay as they are (a tunnel's inner header is the old one). */
function align(before: readonly Layer[], after: readonly Layer[]): [Layer | null, Layer | null][] {
  // best[i][j]: how much of before[i…] and after[j…] can be the same.
  const best = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0));
  const at = (i: number, j: number): number => best[i]?.[j] ?? 0;
  const together = (i: number, j: number): number => {
    const score = likeness(before[i], after[j]);
    return score === 0 ? -1 : score + at(i + 1, j + 1);
  };
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      (best[i] as number[])[j] = Math.max(together(i, j), at(i + 1, j), at(i, j + 1)); // row i exists
    }
  }
  const pairs: [Layer | null, Layer | null][] = [];
  for (let i = 0, j = 0; i < before.length || j < after.length; ) {
    if (i < before.length && j < after.length && together(i, j) === at(i, j))
      pairs.push([before[i++] ?? null, after[j++] ?? null]);
    else if (j < after.length && at(i, j + 1) === at(i, j)) pairs.push([null, after[j++] ?? null]);
    else pairs.push([before[i++] ?? null, null]);
  }
  return pairs;
}

/** 0 for different protocols; more for more equal fields, and something for being of one protocol at all. */
function likeness(left: Layer | undefined, right: Layer | undefined): number {
  if (left === undefined || right === undefined || left.protocol !== right.protocol) return 0;
  const equal = left.fields.filter(({ name, text }) => textOf(right, name) === text).length;
  return 1 + (4 * equal) / Math.max(1, left.fields.length);
}
