/** Objects that name what they hold, and say what there is when somebody asks for something else. */

import { inspect } from "node:util";

/** What Node.js, promises and test frameworks ask any object for, in order to see what it is. */
const PROBES: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(Object.prototype),
  ..."then toJSON href protocol inspect asymmetricMatch nodeType nodeName tagName hasAttribute length size $$typeof".split(" "),
]);

/**
 * The prototype of such an object: what the object has itself costs nothing more, anything else throws `missing(name)`, when it is read and,
 * with `writable`, when it is assigned to. `name in object` asks without an error.
 */
export function namesOnly(missing: (name: string) => Error, writable = false): object {
  return new Proxy(Object.create(null), {
    get(_, name) {
      // Else the console would ask for whatever it knows things by.
      if (name === inspect.custom) return plainly;
      if (typeof name === "symbol" || PROBES.has(name) || name.startsWith("@@")) return undefined;
      throw missing(name);
    },
    ...(writable && {
      set(_: object, name: string | symbol) {
        throw missing(String(name));
      },
    }),
  });
}

function plainly(this: object): object {
  return { ...this };
}

/** The entries as properties. Nothing of Object's is there: a program may be called "constructor". */
export function byName<T>(
  entries: ReadonlyMap<string, T>,
  missing: (name: string, names: readonly string[]) => Error,
): Record<string, T> {
  const object = Object.create(namesOnly((name) => missing(name, [...entries.keys()])));
  return Object.assign(object, Object.fromEntries(entries));
}
