/**
 * One case: a module and packets. The kernel runs it by test-run, the reference interpreter runs the same bytecode, and the tree is
 * evaluated; all three must agree on verdict, packet and maps. The first disagreement is the result.
 */
import { resolve } from "node:path";
import { type CompileOptions, compile } from "../src/compiler/compile.ts";
import { CompileError } from "../src/compiler/diagnostics/diagnostic.ts";
import { type LoadedObject, loadSpec, type ObjectSpec, ProgArray, VerifierError, WirescriptError } from "../src/index.ts";
import { Vm, VmFault } from "../src/vm/index.ts";
import { VmQueue } from "../src/vm/maps/queue.ts";
import { type Coverage, countFunctions, countingPasses } from "./coverage.ts";
import { evaluate, type Outcome } from "./evaluate.ts";
import { TAILS } from "./hooks.ts";
import { KernelMaps } from "./kernel-maps.ts";
import { element } from "./map-model.ts";
import { hex } from "./memory.ts";
import { forSocketBuffer } from "./packets.ts";
import { print } from "./print.ts";
import { resetSections, sectionInKernel, sectionInVm, variables } from "./sections.ts";
import type { Module } from "./tree.ts";

export interface Case {
  module: Module;
  packets: Uint8Array[];
}

/** What is wrong, and for whom; `packet` and `results` when it shows on a packet. */
export interface Failure {
  kind: "refused" | "crashed" | "rejected" | "different" | "fault";
  /** Equal for failures of the same cause, as far as one can tell: what the shrinker must keep. */
  signature: string;
  message: string;
  packet?: Uint8Array;
  results?: { evaluation: string; interpreter: string; kernel: string };
}

export type Verdict = { passed: true; instructions: number; executed: number } | { passed: false; failure: Failure };

/** The number of the diagnostic that says which limit the module exceeds, or "a million instructions" or "8,192 jumps", which are the verifier's. */
export interface LeftOut {
  limit: string;
}

export interface Way extends CompileOptions {
  /** For reports, e.g. "cpu 4, without simplify". */
  name: string;
}

/** What the compiler may refuse in a random module: rounds of loops, bytes of stack, number of instructions. */
const LIMITS = new Set(["WS2002", "WS4001", "WS4004"]);
const FILE = resolve("fuzz.bpf.ts");
/** Loops of a thousand rounds stand in each other. */
const MOST_EXECUTED = 1_000_000_000;

/** `kernel` false leaves the kernel out: no root, no Linux. What the compiler did is counted in `coverage`. */
export function runCase({ module, packets }: Case, way: Way, kernel = true, coverage?: Coverage): Verdict | LeftOut {
  const failed = (failure: Failure): Verdict => ({ passed: false, failure });
  let spec: ObjectSpec;
  try {
    const build = () => compile(FILE, { ...way, overlay: new Map([[FILE, print(module)]]) });
    const compilation = coverage === undefined ? build() : countingPasses(coverage, build);
    if (coverage !== undefined) countFunctions(coverage, compilation.functions);
    spec = compilation.spec;
  } catch (error) {
    if (!(error instanceof CompileError)) {
      return failed({ kind: "crashed", signature: `crashed ${firstLine(error)}`, message: stack(error) });
    }
    const [first] = error.diagnostics;
    if (first !== undefined && error.diagnostics.every(({ code }) => LIMITS.has(code))) return { limit: first.code };
    const message = error.diagnostics
      .map(({ code, line, what, text }) => `${code} line ${line}: ${what}\n    ${text.trim()}`)
      .join("\n");
    return failed({
      kind: "refused",
      signature: `refused ${first?.code} ${/WS9001|^TS/.test(first?.code ?? "") ? first?.what.replace(/\d+/g, "#") : ""}`,
      message,
    });
  }
  let object: LoadedObject | null = null;
  try {
    object = kernel ? loadSpec(spec) : null;
  } catch (error) {
    if (!(error instanceof WirescriptError)) throw error;
    if (!(error instanceof VerifierError)) {
      return failed({
        kind: "rejected",
        signature: `rejected ${error.message}`,
        message: `${error.message}\n${error.why ?? ""}`,
      });
    }
    const log = error.log.trimEnd().split("\n");
    if (log.some((line) => line.startsWith("BPF program is too large. Processed"))) return { limit: "a million instructions" };
    if (log.some((line) => /^The sequence of \d+ jumps is too complex/.test(line))) return { limit: "8,192 jumps" };
    const last = log.findLast((line) => !/^(processed|verification time|stack depth|mark_precise)/.test(line)) ?? "";
    const signature = `rejected ${last.replace(/\d+/g, "#")}`;
    return failed({ kind: "rejected", signature, message: `${error.message}\n${log.slice(-25).join("\n")}` });
  }
  try {
    return runPackets(module, packets, spec, object);
  } finally {
    object?.close();
  }
}

function runPackets(module: Module, packets: readonly Uint8Array[], spec: ObjectSpec, object: LoadedObject | null): Verdict {
  const maps = object === null ? null : new KernelMaps(module, object);
  for (const index of module.tails.keys()) object?.map(TAILS, ProgArray).set(index, object.program(`tail${index}`));
  let executed = 0;
  for (const given of packets) {
    const packet = module.hook === "tc" ? forSocketBuffer(given) : given;
    const outcome = evaluate(module, packet);
    const evaluation = describe(outcome);
    let interpreter: string;
    try {
      const vm = new Vm(spec, { cpus: 2, limit: MOST_EXECUTED });
      fillVm(module, vm);
      const result = vm.run("p", packet);
      executed += result.executed;
      const globals = variables(spec, (section) => sectionInVm(vm, section));
      interpreter = [...describeVm(module, vm, result.action, result.packet), ...describeGlobals(outcome, globals)].join("\n");
    } catch (error) {
      if (!(error instanceof VmFault)) throw error;
      const message = `${error.message} (slot ${error.slot})`;
      return {
        passed: false,
        failure: { kind: "fault", signature: `fault ${error.message.replace(/\d+/g, "#")}`, message, packet },
      };
    }
    let kernel = evaluation;
    if (object !== null && maps !== null) {
      maps.reset();
      resetSections(spec, object);
      const { action, packet: out, meta = new Uint8Array() } = object.program("p").run(packet);
      const globals = variables(spec, (section) => sectionInKernel(spec, object, section));
      kernel = [
        ...head(action, Uint8Array.of(...meta, ...out)),
        ...maps.describe(outcome.maps),
        ...describeGlobals(outcome, globals),
      ].join("\n");
    }
    if (interpreter !== evaluation || kernel !== evaluation) {
      const who = [...(interpreter === evaluation ? [] : ["interpreter"]), ...(kernel === evaluation ? [] : ["kernel"])].join(
        " ",
      );
      const results = { evaluation, interpreter, kernel };
      return {
        passed: false,
        failure: { kind: "different", signature: `different ${who}`, message: `disagree: ${who}`, packet, results },
      };
    }
  }
  const program = spec.programs.find(({ name }) => name === "p");
  return { passed: true, instructions: program?.functions[0]?.instructions.length ?? 0, executed };
}

function fillVm(module: Module, vm: Vm): void {
  for (const { name, contents } of module.maps) {
    const map = vm.map(name);
    for (const { key, value } of contents) {
      if (map instanceof VmQueue) map.push(value, 0n);
      else map.set(key, value);
    }
  }
  for (const index of module.tails.keys()) vm.setProgram(TAILS, index, `tail${index}`);
}

function head(verdict: number, packet: Uint8Array): string[] {
  return [`verdict ${verdict}`, `packet  ${hex(packet)}`];
}

/** What no code uses has no place, and keeps its first value. */
function describeGlobals({ globals }: Outcome, found: ReadonlyMap<string, string> = globals): string[] {
  return [...globals].map(([name, value]) => `${name}: ${found.get(name) ?? value}`);
}

function describe(outcome: Outcome): string {
  const { verdict, packet, maps } = outcome;
  const contents = [...maps].flatMap(([name, elements]) =>
    [...elements].map(([key, copies]) => element(name, key, copies)).sort(),
  );
  return [...head(verdict, packet), ...contents, ...describeGlobals(outcome)].join("\n");
}

function describeVm(module: Module, vm: Vm, action: number, packet: Uint8Array): string[] {
  const contents = module.maps.flatMap(({ name }) =>
    [...(vm.maps.get(name)?.elements() ?? [])]
      .map(({ key, copies }) => {
        const [own, others] = copies.map(({ bytes }) => hex(bytes));
        return element(name, hex(key), { own: own ?? "", others: others ?? null });
      })
      .sort(),
  );
  return [...head(action, packet), ...contents];
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

function stack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
