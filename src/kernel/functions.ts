/**
 * How a function is compiled. Without a wish the compiler decides: small functions are built into their callers, large ones that are
 * called often become functions of their own.
 */

// biome-ignore lint/suspicious/noExplicitAny: a function of any parameters
type AnyFunction = (...args: any[]) => unknown;

/**
 * The same function, compiled once and called, instead of being built into every caller: for large functions with several callers. It
 * takes integers, booleans, the context, references to packet and maps (or `null`), and what is known at compile time, in five
 * registers; it returns one of these, or nothing. Needs Linux 4.16.
 */
export function noinline<F extends AnyFunction>(fn: F): F {
  return fn;
}

/** The same function, built into its callers whatever its size. */
export function inline<F extends AnyFunction>(fn: F): F {
  return fn;
}
