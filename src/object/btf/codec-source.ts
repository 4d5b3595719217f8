/**
 * Reading and writing made fast: after a type has been decoded or encoded some hundred times, one function is made for it, with every field's
 * offset and width written out, instead of a walk over the type's parts. A million entries of a map are decoded in a fraction of the time.
 */
import type { Part } from "./codec-part.ts";

type Read = Part["read"];

/** Making a function takes as long as some hundred reads do. */
const WORTH_IT = 200;
/** What is larger is not written out, but read by its own parts: nobody wants functions of megabytes. */
const LARGEST = 256;

/** Reads as `part` does, and faster after a while. */
export function fastReader(part: Part): Read {
  let calls = 0;
  let read: Read = (view, at) => {
    if (++calls === WORTH_IT) {
      read = generate<Read>((bind) => `return (${sourceOf(part, "at", bind)});`, "view, at") ?? part.read;
    }
    return part.read(view, at);
  };
  return (view, at) => read(view, at);
}

/**
 * Writes as `part` does, for values that fit, once it is worth it; gives false where the value does not fit, or it is not worth it yet: then
 * `part` itself has to write, or to say what is wrong.
 */
export function fastWriter(part: Part): (view: DataView, at: number, value: unknown) => boolean {
  let calls = 0;
  let write: (view: DataView, at: number, value: unknown) => boolean = () => {
    if (++calls === WORTH_IT) {
      const body = (bind: Bind) => (part.sink === undefined || part.leaves > LARGEST ? null : part.sink("value", "at", bind));
      write = generate<typeof write>(body, "view, at, value", "return true;") ?? (() => false);
    }
    return false;
  };
  return (view, at, value) => write(view, at, value);
}

type Bind = (value: unknown) => string;

/**
 * A function with the body that `make` gives. Null when it gives none, and where the host forbids code from strings
 * (`node --disallow-code-generation-from-strings`).
 */
function generate<F>(make: (bind: Bind) => string | null, parameters: string, end = ""): F | null {
  const bound: unknown[] = [];
  const body = make((value) => `bound${bound.push(value) - 1}`);
  if (body === null) return null;
  const names = bound.map((_, index) => `bound${index}`);
  try {
    // The text consists of this project's own expressions, numbers, and names as JSON strings.
    return new Function(...names, `"use strict"; return (${parameters}) => { ${body} ${end} };`)(...bound) as F;
  } catch (error) {
    if (error instanceof EvalError) return null;
    throw error;
  }
}

/** The expression that reads `part` at the expression `at`. */
export function sourceOf(part: Part, at: string, bind: (value: unknown) => string): string {
  if (part.source !== undefined && part.leaves <= LARGEST) return part.source(at, bind);
  return `${bind(part)}.read(view, ${at})`;
}

/** `at` plus a number that is known. */
export function plus(at: string, offset: number): string {
  return offset === 0 ? at : `${at} + ${offset}`;
}

/** A literal's property: `__proto__` would be no property if it were not computed. */
export function property(name: string, value: string): string {
  return name === "__proto__" ? `["__proto__"]: ${value}` : `${JSON.stringify(name)}: ${value}`;
}

/** Bytes out of a view: a loop is faster than a view and a copy of it while they are few. */
export function copyBytes(view: DataView, at: number, length: number): Uint8Array {
  if (length > 32) return new Uint8Array(view.buffer, view.byteOffset + at, length).slice();
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = view.getUint8(at + i);
  return bytes;
}

/** The reverse of `copyBytes`. */
export function putBytes(view: DataView, at: number, bytes: Uint8Array): void {
  if (bytes.length > 32) new Uint8Array(view.buffer, view.byteOffset + at, bytes.length).set(bytes);
  else for (let i = 0; i < bytes.length; i++) view.setUint8(at + i, bytes[i] as number); // below its length
}

/** A name for a variable in `sink`'s statements, unlike all that surround it: `bind` counts. */
export function freshName(bind: Bind): string {
  return `value_${bind(null)}`;
}
