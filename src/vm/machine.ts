/**
 * The reference interpreter: runs the programs of an object without a kernel, on any system. It does what the instructions say (RFC
 * 9669) and counts them; whatever the kernel's verifier exists to prevent (reads of what was never written, accesses outside of what an
 * address belongs to) stops it with a `VmFault`. Test runs of Linux 6.18 are the model for the packet's surroundings.
 */

import { isFragsSection } from "../object/elf/program-type.ts";
import { HELPER } from "../object/helpers.ts";
import { type Instruction, OPCODE_LD_IMM64, slots } from "../object/instruction.ts";
import { CALL, CLASS, CLASS_MASK, JMP, OPCODE, OPERATION_MASK } from "../object/opcodes.ts";
import { type FunctionSpec, MAP_TYPE, type ObjectSpec, type ProgramSpec } from "../object/spec.ts";
import { Access } from "./access.ts";
import { runAlu } from "./arithmetic.ts";
import { type VmContext, XdpContext } from "./context.ts";
import { VmFault } from "./fault.ts";
import type { FibLookup } from "./fib.ts";
import { type Clone, type HelperHost, helper, type RedirectTarget } from "./helpers.ts";
import { isTaken } from "./jumps.ts";
import { createVmMap } from "./maps/create.ts";
import { keyText, type VmMap } from "./maps/map.ts";
import { VmMapOfMaps } from "./maps/map-in-map.ts";
import { VmRingBuffer } from "./maps/ring-buffer.ts";
import { AddressSpace, Region } from "./memory.ts";
import { Packet } from "./packet.ts";
import { Registers } from "./registers.ts";
import { Skb, type SkbFields } from "./skb.ts";

export interface VmOptions {
  /** Copies of an element in per-CPU maps. 1 unless given. */
  cpus?: number;
  /** The CPU that runs the program. 0 unless given. */
  cpu?: number;
  /** What `ktime_get_ns` and `ktime_get_coarse_ns` answer: nanoseconds. `jiffies64` counts 250 a second. Always 0 unless given. */
  now?: () => bigint;
  /** What `get_prandom_u32` answers. Always 0 unless given. */
  random?: () => number;
  /** What `fib_lookup` answers. Without it a program that asks is a fault. */
  fibLookup?: FibLookup;
  /** `struct xdp_md`. Both as in a test run unless given: the loopback interface's first queue. */
  ingressIfindex?: number;
  rxQueueIndex?: number;
  /** `struct __sk_buff`, for TC programs. As in a test run without one unless given. */
  skb?: SkbFields;
  /** Instructions after which a run is a fault: it will not end. 16 million unless given. */
  limit?: number;
}

export interface VmResult {
  /** What the program returned: its low 32 bits, of TC programs signed (TC_ACT_UNSPEC is -1). */
  action: number;
  /** The packet as the program left it, behind the metadata that it wrote, as a test run gives it. */
  packet: Uint8Array;
  /** Instructions that were executed; a wide load counts as one. */
  executed: number;
  /** What `trace` wrote. */
  traced: string[];
  /** Where `redirect` would have sent it; `null` when the program did not ask. */
  redirect: RedirectTarget | null;
  /** Copies that a TC program sent. */
  clones: Clone[];
  /** A TC program's context as the program left it. */
  skb: Skb | null;
}

const STACK_BYTES = 512;
/** MAX_CALL_FRAMES */
const DEEPEST_CALL = 8;
/** MAX_TAIL_CALL_CNT */
const MOST_TAIL_CALLS = 33;
/** BPF_MAX_LOOPS */
const MOST_ROUNDS = 1n << 23n;
const EINVAL = -22n;
const E2BIG = -7n;
const DEFAULT_LIMIT = 16_000_000;

export class Vm {
  readonly spec: ObjectSpec;
  /** The object's maps, by name. They keep their contents from run to run. */
  readonly maps: ReadonlyMap<string, VmMap>;
  readonly #options: VmOptions;
  readonly #data: ReadonlyMap<string, Region>;
  readonly #code = new Map<FunctionSpec, readonly (Instruction | undefined)[]>();
  readonly #tails = new Map<string, string>();

  /** @throws VmFault for a map type that the interpreter does not have. */
  constructor(spec: ObjectSpec, options: VmOptions = {}) {
    this.spec = spec;
    this.#options = options;
    this.maps = new Map(spec.maps.map((map) => [map.name, createVmMap(map, options.cpus ?? 1)]));
    this.#data = new Map(
      spec.data.map(({ name, bytes, readonly }) => [name, new Region(`the section ${name}`, bytes.slice(), { readonly })]),
    );
  }

  /** Puts the program named `program` into a program array, for tail calls. */
  setProgram(map: string, index: number, program: string): void {
    this.#tails.set(`${map}/${index}`, program);
  }

  /** Runs the program named `name` on a copy of `packet`. @throws VmFault */
  run(name: string, packet: Uint8Array): VmResult {
    return new Run(this, this.#program(name), packet, this.#options).start();
  }

  /** The code of a function, by slot: a wide load leaves its second slot empty. */
  codeOf(fn: FunctionSpec): readonly (Instruction | undefined)[] {
    let code = this.#code.get(fn);
    if (code === undefined) {
      code = fn.instructions.flatMap((instruction) => (slots(instruction) === 2 ? [instruction, undefined] : [instruction]));
      this.#code.set(fn, code);
    }
    return code;
  }

  map(name: string): VmMap {
    const map = this.maps.get(name);
    if (map === undefined) throw new VmFault(`The object has no map ${name}.`);
    return map;
  }

  dataSection(name: string): Region {
    const region = this.#data.get(name);
    if (region === undefined) throw new VmFault(`The object has no section ${name}.`);
    return region;
  }

  /** The program that a tail call goes to; `null` when there is none. */
  tail(map: VmMap, index: number): ProgramSpec | null {
    if (map.spec.type !== MAP_TYPE.PROG_ARRAY) throw new VmFault(`${map.spec.name} is not an array of programs.`);
    const name = this.#tails.get(`${map.spec.name}/${index}`);
    return name === undefined ? null : this.#program(name);
  }

  #program(name: string): ProgramSpec {
    const program = this.spec.programs.find((each) => each.name === name);
    if (program === undefined) throw new VmFault(`The object has no program ${name}.`);
    return program;
  }
}

class Run implements HelperHost {
  readonly space = new AddressSpace();
  readonly #packet: Packet | Skb;
  readonly cpu: number;
  readonly #vm: Vm;
  #program: ProgramSpec;
  readonly #options: VmOptions;
  readonly #context = new Region("the context", new Uint8Array(24), { readonly: true });
  readonly #access: Access;
  readonly #handles = new Map<Region, VmMap>();
  readonly #codeRegions = new Map<Region, FunctionSpec>();
  readonly #mapHandles = new Map<VmMap, Region>();
  readonly #limit: number;
  #executed = 0;
  #tailCalls = 0;
  readonly #traced: string[] = [];
  #redirect: RedirectTarget | null = null;
  readonly #clones: Clone[] = [];

  constructor(vm: Vm, program: ProgramSpec, packet: Uint8Array, options: VmOptions) {
    this.#vm = vm;
    this.#program = program;
    this.cpu = options.cpu ?? 0;
    this.#options = options;
    this.#limit = options.limit ?? DEFAULT_LIMIT;
    let fields: VmContext;
    if (program.type === "xdp") {
      this.#packet = new Packet(packet, isFragsSection(program.section));
      fields = new XdpContext(this.space, this.#packet, options.ingressIfindex ?? 1, options.rxQueueIndex ?? 0);
    } else {
      this.#packet = fields = new Skb(this.space, packet, options.skb);
    }
    this.#access = new Access(this.space, this.#context, fields);
  }

  start(): VmResult {
    const result = this.#call(this.#entry(), [this.space.address(this.#context)], 0);
    this.#checkRecords();
    const skb = this.#packet instanceof Skb ? this.#packet : null;
    return {
      action: Number(skb === null ? BigInt.asUintN(32, result) : BigInt.asIntN(32, result)),
      packet: this.#packet.bytes,
      executed: this.#executed,
      traced: this.#traced,
      redirect: this.#redirect,
      clones: this.#clones,
      skb,
    };
  }

  #checkRecords(): void {
    for (const map of this.maps()) {
      if (map instanceof VmRingBuffer && map.reserved > 0) throw new VmFault(`The program keeps a record of ${map.spec.name}.`);
    }
  }

  // -- for helpers --

  get packet(): Packet {
    if (this.#packet instanceof Packet) return this.#packet;
    throw new VmFault("A helper of XDP programs is called on a socket buffer.");
  }

  get skb(): Skb {
    if (this.#packet instanceof Skb) return this.#packet;
    throw new VmFault("A helper of TC programs is called on an XDP frame.");
  }

  cloned(clone: Clone): void {
    this.#clones.push(clone);
  }

  mapAt(address: bigint): VmMap {
    const map = this.#handles.get(this.space.place(address).region);
    if (map === undefined) throw new VmFault("A helper is given something else where it wants a map.");
    return map;
  }

  addressOf(map: VmMap): bigint {
    return this.space.address(this.#handleOf(map));
  }

  *maps(): Iterable<VmMap> {
    for (const map of this.#vm.maps.values()) {
      yield map;
      if (map instanceof VmMapOfMaps) yield* map.inners();
    }
  }

  now(): bigint {
    return this.#options.now?.() ?? 0n;
  }

  random(): number {
    return (this.#options.random?.() ?? 0) >>> 0;
  }

  get fibLookup(): FibLookup | null {
    return this.#options.fibLookup ?? null;
  }

  trace(line: string): void {
    this.#traced.push(line);
  }

  redirected(target: RedirectTarget): void {
    this.#redirect = target;
  }

  // -- execution --

  #entry(): FunctionSpec {
    const [entry] = this.#program.functions;
    if (entry === undefined) throw new VmFault(`The program ${this.#program.name} has no code.`);
    return entry;
  }

  /** Calls of subprograms are calls of this method, so that JavaScript's stack holds what the kernel's does. */
  #call(entry: FunctionSpec, args: readonly bigint[], depth: number): bigint {
    if (depth >= DEEPEST_CALL) throw new VmFault(`Calls are nested deeper than ${DEEPEST_CALL}.`);
    let fn = entry;
    let slot = 0;
    let r = this.#frame(args);
    try {
      let code = this.#vm.codeOf(fn);
      for (;;) {
        const instruction = code[slot];
        if (instruction === undefined) throw new VmFault("The program jumps to where no instruction begins.");
        if (++this.#executed > this.#limit) throw new VmFault(`The program does not end within ${this.#limit} instructions.`);
        const { opcode } = instruction;
        switch (opcode & CLASS_MASK) {
          case CLASS.ALU:
          case CLASS.ALU64:
            runAlu(r, instruction);
            break;
          case CLASS.LDX:
            this.#access.load(r, instruction);
            break;
          case CLASS.ST:
          case CLASS.STX:
            this.#access.store(r, instruction);
            break;
          case CLASS.LD:
            this.#loadWide(r, instruction);
            slot++;
            break;
          default: {
            if (opcode === OPCODE.EXIT) return r.get(0);
            if (opcode === OPCODE.JA) slot += instruction.offset;
            else if (opcode === OPCODE.JA32) slot += Number(instruction.imm);
            else if (opcode !== OPCODE.CALL) {
              if ((opcode & OPERATION_MASK) === JMP.JCOND) throw new VmFault("The interpreter has no may_goto.");
              if (isTaken(r, instruction)) slot += instruction.offset;
            } else if (isHelper(instruction, HELPER.tail_call)) {
              const next = this.#tailCall(r);
              if (next !== null) {
                this.#program = next;
                fn = this.#entry();
                code = this.#vm.codeOf(fn);
                r = this.#frame([this.space.address(this.#context)]);
                slot = -1;
              }
            } else this.#callFrom(r, instruction, depth);
          }
        }
        slot++;
      }
    } catch (error) {
      if (error instanceof VmFault && error.slot < 0) {
        error.function = fn.name;
        error.slot = slot;
      }
      throw error;
    }
  }

  /** Registers of a function that begins: its arguments, and a stack of its own. */
  #frame(args: readonly bigint[]): Registers {
    const r = new Registers();
    for (const [index, value] of args.entries()) r.set(index + 1, value);
    const stack = new Region("the stack", new Uint8Array(STACK_BYTES), { uninitialised: true });
    r.set(10, this.space.address(stack, STACK_BYTES));
    return r;
  }

  #callFrom(r: Registers, { src, imm, reference }: Instruction, depth: number): void {
    let result: bigint;
    if (reference?.kind === "function") {
      result = this.#call(this.#functionNamed(reference.name), r.arguments(), depth + 1);
    } else if (src === CALL.HELPER && Number(imm) === HELPER.loop) {
      result = this.#loop(r, depth);
    } else if (src === CALL.HELPER) {
      result = helper(Number(imm), this.#program.type)(this, (index) => r.get(index));
    } else {
      throw new VmFault("The interpreter has no functions of the kernel but helpers.");
    }
    r.forgetArguments();
    r.set(0, result);
  }

  #functionNamed(wanted: string): FunctionSpec {
    const fn = this.#program.functions.find(({ name }) => name === wanted);
    if (fn === undefined) throw new VmFault(`There is no function ${wanted}.`);
    return fn;
  }

  /** Something whose address stands for the function's code. */
  #codeRegionOf(fn: FunctionSpec): Region {
    const known = [...this.#codeRegions].find(([, other]) => other === fn);
    if (known !== undefined) return known[0];
    const region = new Region(`the code of ${fn.name}`, new Uint8Array());
    this.#codeRegions.set(region, fn);
    return region;
  }

  /** bpf_loop(rounds, callback, context, flags): how often it was called, until it gave 1. */
  #loop(r: Registers, depth: number): bigint {
    const rounds = BigInt.asUintN(32, r.get(1));
    const callback = this.#codeRegions.get(this.space.place(r.get(2)).region);
    if (callback === undefined) throw new VmFault("A helper is given something else where it wants a function.");
    const context = r.get(3);
    if (r.get(4) !== 0n) return EINVAL;
    if (rounds > MOST_ROUNDS) return E2BIG;
    for (let index = 0n; index < rounds; index++) {
      if (this.#call(callback, [index, context], depth + 1) !== 0n) return index + 1n;
    }
    return rounds;
  }

  /** Where the tail call goes; `null` when it fails, and the program goes on. */
  #tailCall(r: Registers): ProgramSpec | null {
    const map = this.mapAt(r.get(2));
    const next = this.#vm.tail(map, Number(BigInt.asUintN(32, r.get(3))));
    r.forgetArguments();
    if (next === null || this.#tailCalls >= MOST_TAIL_CALLS) return null;
    this.#tailCalls++;
    return next;
  }

  #loadWide(r: Registers, { opcode, dst, imm, reference }: Instruction): void {
    if (opcode !== OPCODE_LD_IMM64) throw new VmFault("The interpreter has no packet loads of classic BPF.");
    switch (reference?.kind) {
      case undefined:
        return r.set(dst, BigInt(imm));
      case "map":
        return r.set(dst, this.addressOf(this.#vm.map(reference.name)));
      case "data":
        return r.set(dst, this.space.address(this.#vm.dataSection(reference.section), reference.offset));
      case "function":
        return r.set(dst, this.space.address(this.#codeRegionOf(this.#functionNamed(reference.name))));
      case "extern":
        throw new VmFault(`The interpreter has no ${reference.name}: it belongs to a kernel.`);
    }
  }

  /** Something whose address stands for the map; there is nothing to read in it. */
  #handleOf(map: VmMap): Region {
    let region = this.#mapHandles.get(map);
    if (region === undefined) {
      region = new Region(`the map ${map.spec.name}`, new Uint8Array());
      this.#handles.set(region, map);
      this.#mapHandles.set(map, region);
    }
    return region;
  }
}

function isHelper({ src, imm, reference }: Instruction, number: number): boolean {
  return reference === undefined && src === CALL.HELPER && Number(imm) === number;
}

/** The contents of a map as text, in a stable order: `key: copy of CPU 0 | copy of CPU 1 …`, in hexadecimal. For comparing and printing. */
export function printMap(map: VmMap): string[] {
  return [...map.elements()]
    .map(({ key, copies }) => `${keyText(key)}: ${copies.map(({ bytes }) => keyText(bytes)).join(" | ")}`)
    .sort();
}
