/** FIELD=VALUE as a merge patch: `weight=50`, `check.type=http`, `check.status=[200,204]`, `drain=` for the default. */
import { WirescriptError } from "../../../errors.ts";

type Fields = { [name: string]: unknown };

/** @throws WirescriptError USAGE */
export function parseFields(words: readonly string[]): Fields {
  const patch: Fields = {};
  for (const word of words) {
    const [, path = "", value = ""] = /^([A-Za-z][\w.]*)=(.*)$/s.exec(word) ?? [];
    const steps = path.split(".");
    if (steps.includes("") || steps.some((step) => step === "__proto__")) throw noField(word);
    put(patch, steps, valueOf(value), word);
  }
  return patch;
}

function put(patch: Fields, [step = "", ...more]: readonly string[], value: unknown, word: string): void {
  if (more.length === 0) {
    patch[step] = value;
    return;
  }
  const inner = Object.hasOwn(patch, step) ? patch[step] : {};
  if (typeof inner !== "object" || inner === null) throw noField(word);
  patch[step] = inner;
  put(inner as Fields, more, value, word);
}

/** JSON where it is some, else text: addresses and names need no quotes. Nothing is the default, which a merge patch calls null. */
function valueOf(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function noField(word: string): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `"${word}" sets no field.`,
    why: "That is FIELD=VALUE, with a dot before a field within a field; nothing behind = puts the field back to its default.",
    fix: "For example: wirescript balancer set web/b1 weight=50, or: wirescript balancer set web check.type=http check.path=/ok",
  });
}
