/** One edited module: it gets diagnostics that can be shown, or is a program that the kernel takes. */
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

/** Where the text is said to be: no such file is ever written, and no folder beside or above it is looked through for packages. */
const FILE = "/edited/module.bpf.ts";
/** Seconds of processor time; the largest module, the balancer, needs a third of it on a slow machine. */
const SLOW = 30;

export function runEdit(text: string, load: boolean): EditVerdict {
  const started = process.cpuUsage();
  let spec: ReturnType<typeof compile>["spec"];
  try {
    ({ spec } = compile(FILE, { overlay: new Map([[FILE, text]]) }));
  } catch (error) {
    if (!(error instanceof CompileError)) return failed(`the compiler failed: ${messageOf(error)}`);
    const problem = problemOf(error.diagnostics);
    return problem === null ? { kind: "diagnosed" } : failed(problem);
  }
  const { user, system } = process.cpuUsage(started);
  if (user + system > SLOW * 1e6) return failed(`the compiler took more than ${SLOW} seconds of processor time`);
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
