/** Maps of devices, CPUs, sockets and programs in user space: the twins of `kernel/maps/targets.ts`. User space fills them. */
import { WirescriptError } from "../../errors.ts";
import { Fd, type ProgramFd } from "../../sys/bpf.ts";
import { ElementAccess } from "../../sys/bpf-element.ts";
import { describeValue } from "../arguments.ts";
import { type Codec, indexCodec } from "./codecs.ts";
import { mapFailure } from "./failure.ts";
import { BpfMap, type MapParts } from "./map.ts";
import { KeyedMap } from "./table.ts";

/** A program to go on in: a loaded one, its descriptor, or that as a number. */
export type ProgramReference = { readonly fd: ProgramFd } | ProgramFd | number;

/** Where a device map sends frames, as it is read. `programId` is null when no program runs there. */
export interface DeviceEntry {
  ifindex: number;
  programId: number | null;
}

/** `program` (of the section "xdp/devmap") runs on each frame that leaves by the device (Linux 5.8). */
export type DeviceTarget = number | { ifindex: number; program?: ProgramReference | null };

/** What a CPU map gives to a CPU, as it is read. */
export interface CpuEntry {
  queueSize: number;
  programId: number | null;
}

/** `queueSize` frames may wait for the CPU; `program` (of the section "xdp/cpumap") runs there on each frame (Linux 5.9). */
export type CpuTarget = number | { queueSize: number; program?: ProgramReference | null };

/** Devices by index, or by any number (`devMapHash`): ifindexes, with a program each where the map's values have 8 bytes. */
export class DevMap<V extends number | DeviceEntry = number | DeviceEntry> extends KeyedMap<number, V, number, DeviceTarget> {
  readonly kind = "devMap";

  constructor(parts: MapParts) {
    super(parts, { key: numberCodec, value: new TargetCodec(parts, "ifindex") });
  }
}

/** CPUs that take frames over, by number: the length of each one's queue, with a program each where the map's values have 8 bytes. */
export class CpuMap<V extends number | CpuEntry = number | CpuEntry> extends KeyedMap<number, V, number, CpuTarget> {
  readonly kind = "cpuMap";

  constructor(parts: MapParts) {
    super(parts, { key: numberCodec, value: new TargetCodec(parts, "queueSize") });
  }
}

/** Programs for tail calls, by index. They are set by descriptor, and read as ids; the kernel drops them when nobody holds the map any more. */
export class ProgArray extends KeyedMap<number, number, number, ProgramReference> {
  readonly kind = "progArray";

  constructor(parts: MapParts) {
    super(parts, { key: numberCodec, value: new ProgramCodec(parts.name) });
  }
}

/** AF_XDP sockets by receive queue. The kernel lets nobody read them: neither which there are nor what they are. */
export class XskMap extends BpfMap {
  readonly kind = "xskMap";
  readonly #access: ElementAccess;

  constructor(parts: MapParts) {
    super(parts);
    this.#access = new ElementAccess(parts.fd, parts.keySize, parts.valueSize);
  }

  /** Puts a socket in, by its descriptor; it leaves when it is closed. @throws WirescriptError (MAP) */
  set(queue: number, socket: number): void {
    numberCodec.encode(queue, this.#access.key);
    numberCodec.encode(socket, this.#access.value);
    const result = this.#access.update(0);
    if (result < 0) throw mapFailure(this, "set", -result, queue);
  }

  /** Takes the socket out; the kernel does not tell whether there was one. @throws WirescriptError (MAP) */
  delete(queue: number): void {
    numberCodec.encode(queue, this.#access.key);
    const result = this.#access.delete();
    if (result < 0) throw mapFailure(this, "delete", -result, queue);
  }
}

// The codec of an index takes and gives numbers.
const numberCodec = indexCodec as Codec;

/** `struct bpf_devmap_val` and `struct bpf_cpumap_val`: a number, and a program's descriptor on the way in, its id on the way out. */
class TargetCodec implements Codec {
  readonly size: number;
  readonly #map: string;
  readonly #field: "ifindex" | "queueSize";

  constructor({ name, valueSize }: Pick<MapParts, "name" | "valueSize">, field: "ifindex" | "queueSize") {
    this.#map = name;
    this.size = valueSize;
    this.#field = field;
  }

  /** Said here, for the codec of numbers would take it for a key. */
  #checkNumber(number: unknown): void {
    if (typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= 0xffff_ffff) return;
    const { wanted, fix } = TARGETS[this.#field];
    throw new WirescriptError({
      code: "MAP",
      what: `${describeValue(number)} is no value of the map "${this.#map}".`,
      why: `The map takes ${wanted}.`,
      fix,
    });
  }

  decode(bytes: Uint8Array, offset = 0): unknown {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const number = view.getUint32(offset, true);
    if (this.size < 8) return number;
    const id = view.getUint32(offset + 4, true);
    return { [this.#field]: number, programId: id === 0 ? null : id };
  }

  encode(value: unknown, into: Uint8Array, offset = 0): void {
    const given = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : { [this.#field]: value };
    this.#checkNumber(given[this.#field]);
    numberCodec.encode(given[this.#field], into, offset);
    const program = given.program ?? null;
    // Below 0 means none: 0 is a descriptor.
    const fd = program === null ? -1 : descriptorOf(this.#map, program);
    if (this.size >= 8) new DataView(into.buffer, into.byteOffset).setInt32(offset + 4, fd, true);
    else if (program !== null) {
      throw new WirescriptError({
        code: "MAP",
        what: `The map "${this.#map}" takes no programs.`,
        why: "Its values have 4 bytes: a number and no room for a program.",
        fix: "Declare it with { programs: true }, or in C with values of struct bpf_devmap_val or bpf_cpumap_val.",
      });
    }
  }
}

/** How a target of either kind is called, and where it is to be had. */
const TARGETS = {
  ifindex: {
    wanted: "a device there, by its ifindex: a whole number",
    fix: 'Give the number before its name in `ip link`; in code: Number(readFileSync("/sys/class/net/eth0/ifindex")).',
  },
  queueSize: {
    wanted: "the length of a CPU's queue there: a whole number of frames",
    fix: "Give a number such as 2048; the CPU is the key.",
  },
} as const;

class ProgramCodec implements Codec {
  readonly size = 4;
  readonly #map: string;

  constructor(map: string) {
    this.#map = map;
  }

  decode(bytes: Uint8Array, offset = 0): unknown {
    return numberCodec.decode(bytes, offset);
  }

  encode(value: unknown, into: Uint8Array, offset = 0): void {
    numberCodec.encode(descriptorOf(this.#map, value), into, offset);
  }
}

function descriptorOf(map: string, program: unknown): number {
  const fd = typeof program === "object" && program !== null && "fd" in program ? program.fd : program;
  if (fd instanceof Fd && fd.kind === "program") return fd.number;
  if (typeof fd === "number" && Number.isInteger(fd) && fd >= 0) return fd;
  throw new WirescriptError({
    code: "MAP",
    what: `The map "${map}" takes a program there, not ${typeof program === "object" ? "an object of another kind" : String(program)}.`,
    why: "It keeps the program that a descriptor stands for.",
    fix: "Give a loaded program (object.programs.x) or its descriptor.",
  });
}
