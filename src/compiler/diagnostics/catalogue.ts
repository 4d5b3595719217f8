/**
 * Every message of the compiler that is not TypeScript's own: a number, what, why and how to mend it, and the shortest module that
 * shows it. `{name}` stands for a detail that the compiler fills in. `docs/diagnostics.md` is generated from this table, and a test
 * compiles every example.
 */
import { CONSTRUCTS } from "./catalogue/constructs.ts";
import { DECLARATIONS } from "./catalogue/declarations.ts";
import type { Entry } from "./catalogue/entry.ts";
import { LIMITS } from "./catalogue/limits.ts";
import { VALUES } from "./catalogue/values.ts";

export type { Entry };

export const CATALOGUE = { ...CONSTRUCTS, ...VALUES, ...DECLARATIONS, ...LIMITS } as const satisfies Record<string, Entry>;

export type DiagnosticCode = keyof typeof CATALOGUE;
