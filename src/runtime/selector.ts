/**
 * How a person names a program, map or link that is in the kernel: the one syntax of all commands. Short where it is clear, `17`, `echo`,
 * `/sys/fs/bpf/x`; and said in full where it is not, `id 17`, `name 17`, `pinned ./x`, as bpftool has it.
 */
import { WirescriptError } from "../errors.ts";

export type ObjectKind = "program" | "map" | "link";

export type Selector = { id: number } | { name: string } | { path: string };

/** For the help of commands. */
export const SELECTOR = "ID, NAME, or pinned PATH";

/** For the help of commands that have room for it. */
export const SELECTOR_HELP =
  "A number is an id, what has a slash is the path of a pin, anything else is a name; id ID, name NAME and pinned PATH say which.";

/** `__u32` of the kernel. */
const LARGEST_ID = 2 ** 32 - 1;

/** What all of the words name. @throws WirescriptError USAGE */
export function parseSelector(words: readonly string[], kind: ObjectKind): Selector {
  const { selector, rest } = takeSelector(words, kind);
  if (rest.length === 0) return selector;
  throw notOne(words, kind);
}

/** What the first word names, or the first two; and the words after them. @throws WirescriptError USAGE */
export function takeSelector(words: readonly string[], kind: ObjectKind): { selector: Selector; rest: string[] } {
  const [first = "", second, ...rest] = words;
  if (second !== undefined) {
    if (first === "id") return { selector: { id: idOf(second, words, kind) }, rest };
    if (first === "name") return { selector: { name: second }, rest };
    if (first === "pinned") return { selector: { path: second }, rest };
  }
  const others = words.slice(1);
  if (/^\d+$/.test(first)) return { selector: { id: idOf(first, words, kind) }, rest: others };
  return { selector: first.includes("/") ? { path: first } : { name: first }, rest: others };
}

function idOf(text: string, words: readonly string[], kind: ObjectKind): number {
  if (/^\d+$/.test(text) && Number(text) > 0 && Number(text) <= LARGEST_ID) return Number(text);
  throw notOne(words, kind);
}

function notOne(words: readonly string[], kind: ObjectKind): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `"${words.join(" ")}" does not name a ${kind}.`,
    why: `A number from 1 to ${LARGEST_ID} is an id, what has a slash is the path of a pin, anything else is a name.`,
    fix: `Write for example: 17, ${kind === "link" ? "" : "NAME, "}/sys/fs/bpf/PIN, or: id 17, ${kind === "link" ? "" : "name NAME, "}pinned PATH`,
  });
}
