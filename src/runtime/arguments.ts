/**
 * What callers hand over, checked where the type checker cannot help: in JavaScript, and for values that came from outside. A wrong value is named at
 * once; further down it would be a TypeError of ours, or, cut to 32 bits for the kernel, somebody else's map.
 */
import { withArticle } from "../article.ts";
import { WirescriptError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";

/** The error for a value that is not what it should be. `what`: the sentence that says what was tried. */
export function wrongArgument(what: string, value: unknown, wanted: string, fix: string): WirescriptError {
  return new WirescriptError({ code: "USAGE", what, why: `${wanted}, and ${describeValue(value)} was given.`, fix });
}

/** `undefined`, `"text"`, `a Uint8Array`: a value in a message, on one line. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  const { name } = value.constructor ?? Object;
  if (name === "Object") return "an object";
  return withArticle(name);
}

/**
 * Whether all options are `known` ones: a mistyped one would be left out without a word. `what`: the sentence that says what was tried.
 *
 * @throws WirescriptError USAGE
 */
export function checkOptionNames(what: string, options: object, known: Readonly<Record<string, true>>): void {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(known, name));
  if (unknown === undefined) return;
  const names = Object.keys(known);
  throw new WirescriptError({
    code: "USAGE",
    what,
    why: `There is no option ${describeValue(unknown)}.`,
    fix: `${didYouMean(unknown, names)}The options are ${names.join(", ")}.`,
  });
}

const MOST = 0xffff_ffff;

/**
 * An id that the kernel may have given: a whole number from 1 to 2³² − 1.
 *
 * @throws WirescriptError USAGE
 */
export function checkId(kind: "program" | "map" | "link", id: number): void {
  if (Number.isInteger(id) && id > 0 && id <= MOST) return;
  throw wrongArgument(
    `There is no ${kind} with the id ${typeof id === "number" ? id : describeValue(id)}.`,
    id,
    `Ids of ${kind}s are whole numbers from 1 to ${MOST}`,
    `Give the id of one that is there: wirescript ${{ program: "progs", map: "maps", link: "links" }[kind]} lists them.`,
  );
}

/** The path of a pin. `what`: the sentence that says what was tried. @throws WirescriptError USAGE */
export function checkPath(path: string, what: string): void {
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return;
  throw wrongArgument(
    what,
    path,
    "The path of a pin is text, not empty, and without a zero byte",
    'Give a path in a bpffs, for example "/sys/fs/bpf/NAME".',
  );
}
