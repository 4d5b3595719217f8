/**
 * One case: a module and packets. The kernel runs it by test-run, the reference interpreter runs the same bytecode, and the tree is
 * evaluated; all three must agree on verdict, packet and maps. The first disagreement is the result.
 */
import { resolve } from "node:path";
import { type CompileOptions, compile } from "../src/compiler/compile.ts";
import { CompileError } from "../src/compiler/diagnostics/diagnostic.ts";
import { type LoadedObject, loadSpec, type ObjectSpec, ProgArray, VerifierError, WirescriptError } from "../src/index.ts";
import { Vm, VmFault, type VmMap, type VmResult } from "../src/vm/index.ts";
import { VmMapOfMaps } from "../src/vm/maps/map-in-map.ts";
import { VmBloomFilter, VmQueue } from "../src/vm/maps/queue.ts";
import { type Coverage, countFunctions, countingPasses } from "./coverage.ts";
import { evaluate, type Outcome } from "./evaluate.ts";
import { TAILS } from "./hooks.ts";
import { KernelMaps } from "./kernel-maps.ts";
import { element } from "./map-model.ts";
import { placeInside } from "./map-of-maps-model.ts";
import { hex } from "./memory.ts";
import { forSocketBuffer } from "./packets.ts";
import { print } from "./print.ts";
import { resetSections, sectionInKernel, sectionInVm, variables } from "./sections.ts";
import { isRedirect, type MapDeclaration, type Module } from "./tree.ts";

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

/**
 * What the compiler may refuse in a random module: rounds of loops, bytes of stack, number of instructions, ways on which records are held,
 * long loops around which they are.
 */
const LIMITS = new Set(["WS2002", "WS2075", "WS2096", "WS4001", "WS4004"]);
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
  let loaded: Loaded | null = null;
  try {
    loaded = kernel ? new Loaded(module, spec) : null;
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
    return runPackets(module, packets, spec, loaded);
  } finally {
    loaded?.close();
  }
}

/** The module in the kernel. */
class Loaded {
  readonly #module: Module;
  readonly #spec: ObjectSpec;
  #object: LoadedObject;
  #maps: KernelMaps | null = null;

  /** @throws WirescriptError when the kernel does not take the module. */
  constructor(module: Module, spec: ObjectSpec) {
    this.#module = module;
    this.#spec = spec;
    this.#object = loadSpec(spec);
  }

  /** What `packet` comes to, everything being as before the first; `outcome` is what is expected of it. */
  run(packet: Uint8Array, outcome: Outcome): string {
    const maps = this.#reset();
    const { action, packet: out, meta = new Uint8Array() } = this.#object.program("p").run(packet);
    const globals = variables(this.#spec, (section) => sectionInKernel(this.#spec, this.#object, section));
    return [
      // A test run does not tell where the packet would go.
      ...head(action, Uint8Array.of(...meta, ...out), outcome.redirect),
      ...maps.describe(outcome.maps),
      ...describeGlobals(outcome, globals),
    ].join("\n");
  }

  #reset(): KernelMaps {
    const forgets = this.#module.maps.every(({ kind }) => kind !== "bloomFilter");
    if (this.#maps !== null && !forgets) {
      this.close();
      this.#object = loadSpec(this.#spec);
      this.#maps = null;
    }
    if (this.#maps === null) {
      const object = this.#object;
      for (const index of this.#module.tails.keys()) object.map(TAILS, ProgArray).set(index, object.program(`tail${index}`));
      this.#maps = new KernelMaps(this.#module, object);
    }
    this.#maps.reset();
    resetSections(this.#spec, this.#object);
    return this.#maps;
  }

  close(): void {
    this.#maps?.close();
    this.#object.close();
  }
}

function runPackets(module: Module, packets: readonly Uint8Array[], spec: ObjectSpec, loaded: Loaded | null): Verdict {
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
      interpreter = [...describeVm(module, vm, result), ...describeGlobals(outcome, globals)].join("\n");
    } catch (error) {
      if (!(error instanceof VmFault)) throw error;
      const message = `${error.message} (slot ${error.slot})`;
      return {
        passed: false,
        failure: { kind: "fault", signature: `fault ${error.message.replace(/\d+/g, "#")}`, message, packet },
      };
    }
    const kernel = loaded === null ? evaluation : loaded.run(packet, outcome);
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
  for (const declaration of module.maps) {
    const map = vm.map(declaration.name);
    if (map instanceof VmMapOfMaps) for (const inner of declaration.inners ?? []) fillVmMap(inner, map.create(inner.at));
    else fillVmMap(declaration, map);
  }
  for (const index of module.tails.keys()) vm.setProgram(TAILS, index, `tail${index}`);
}

function fillVmMap({ contents }: MapDeclaration, map: VmMap): void {
  for (const { key, value } of contents) {
    if (map instanceof VmQueue || map instanceof VmBloomFilter) map.push(value, 0n);
    else map.set(key, value);
  }
}

function head(verdict: number, packet: Uint8Array, redirect: string | null): string[] {
  return [`verdict ${verdict}`, `packet  ${hex(packet)}`, ...(redirect === null ? [] : [`goes to ${redirect}`])];
}

/** What no code uses has no place, and keeps its first value. */
function describeGlobals({ globals }: Outcome, found: ReadonlyMap<string, string> = globals): string[] {
  return [...globals].map(([name, value]) => `${name}: ${found.get(name) ?? value}`);
}

function describe(outcome: Outcome): string {
  const { verdict, packet, maps, redirect } = outcome;
  const contents = [...maps].flatMap(([name, elements]) =>
    [...elements].map(([key, copies]) => element(name, key, copies)).sort(),
  );
  return [...head(verdict, packet, redirect), ...contents, ...describeGlobals(outcome)].join("\n");
}

function describeVm(module: Module, vm: Vm, { action, packet, redirect }: VmResult): string[] {
  const changed = module.maps.filter((map) => !isRedirect(map));
  const contents = changed.flatMap((declaration) => {
    const map = vm.map(declaration.name);
    if (!(map instanceof VmMapOfMaps)) return describeVmMap(declaration, map, "").sort();
    const lines = (declaration.inners ?? []).flatMap((inner) => {
      const found = map.inner(inner.at);
      return found === null ? [] : describeVmMap(inner, found, placeInside(hex(inner.at), ""));
    });
    return lines.sort();
  });
  const target =
    redirect === null ? null : "map" in redirect ? `${redirect.map} ${redirect.key}` : `interface ${redirect.ifindex}`;
  return [...head(action, packet, target), ...contents];
}

/** `prefix`: what stands in front of keys. */
function describeVmMap({ name, kind }: MapDeclaration, map: VmMap, prefix: string): string[] {
  return [...map.elements()].map(({ key, copies }) => {
    const [own = "", others] = copies.map(({ bytes }) => hex(bytes));
    return element(name, prefix + (kind === "bloomFilter" ? own : hex(key)), { own, others: others ?? null });
  });
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

function stack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
