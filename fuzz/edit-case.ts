/** One edited module: it gets diagnostics that can be shown, or is a program that the kernel takes. */
import { resolve } from "node:path";
import { compile } from "../src/compiler/compile.ts";
import { CompileError, type Diagnostic, format } from "../src/compiler/diagnostics/diagnostic.ts";
import { loadSpec } from "../src/index.ts";
import { VerifierError } from "../src/runtime/verifier-log.ts";

export type EditVerdict =
  | { kind: "diagnosed" }
  | { kind: "accepted" }
  | { kind: "loaded" }
  /** It needs more of the verifier's time than there is, which no compiler foresees. */
  | { kind: "tooComplex" }
  | { kind: "failed"; what: string };

/** Where the text is said to be: no such file is ever written. */
const FILE = resolve("edited.bpf.ts");
/** Milliseconds; far more than a busy machine needs. */
const SLOW = 10_000;

export function runEdit(text: string, load: boolean): EditVerdict {
  const started = performance.now();
  let spec: ReturnType<typeof compile>["spec"];
  try {
    ({ spec } = compile(FILE, { overlay: new Map([[FILE, text]]) }));
  } catch (error) {
    if (!(error instanceof CompileError)) return failed(`the compiler failed: ${messageOf(error)}`);
    const problem = problemOf(error.diagnostics);
    return problem === null ? { kind: "diagnosed" } : failed(problem);
  }
  if (performance.now() - started > SLOW) return failed("the compiler took longer than ten seconds");
  if (!load) return { kind: "accepted" };
  try {
    using _object = loadSpec(spec);
    return { kind: "loaded" };
  } catch (error) {
    if (error instanceof VerifierError && /too large|too complex/.test(error.reason)) return { kind: "tooComplex" };
    return failed(`the kernel refused it: ${messageOf(error)}`);
  }
}

/** What is wrong with how the module was refused; `null` when nothing is. */
function problemOf(diagnostics: readonly Diagnostic[]): string | null {
  if (diagnostics.length === 0) return "refused without a word";
  for (const each of diagnostics) {
    if (each.code === "WS9001") return `a defect was reported: ${each.what}`;
    if (each.what === "" || /\{\w+\}/.test(each.code.startsWith("WS") ? each.what : ""))
      return `an empty message: ${format(each)}`;
    if (each.line === 0 && each.code.startsWith("TS")) return `a message without a place: ${format(each)}`;
    format(each);
  }
  return null;
}

function failed(what: string): EditVerdict {
  return { kind: "failed", what };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
