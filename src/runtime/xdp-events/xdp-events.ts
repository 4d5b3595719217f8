/**
 * What the kernel says of packets on their way through XDP, as counts by reason: packets that a program aborted, redirects that failed and why, what devices
 * and CPUs took and what they dropped. Counted in the kernel, in all network namespaces, from `open` to `close`.
 */
import { WirescriptError } from "../../errors.ts";
import { encode } from "../../object/encoding.ts";
import { MAP_TYPE } from "../../object/spec.ts";
import {
  BPF,
  Fd,
  type LinkFd,
  type MapFd,
  mapById,
  mapCreate,
  mapInfo,
  mapLookup,
  mapNextKey,
  openRawTracepoint,
  type ProgramFd,
  programById,
  programInfo,
  programLoad,
  unlessGone,
} from "../../sys/bpf.ts";
import { possibleCpus } from "../../sys/cpus.ts";
import { errnoName, isErrno, SyscallError } from "../../sys/errno.ts";
import { kernelTypes } from "../kernel-types.ts";
import { denied } from "../privileges.ts";
import { describeProgram } from "../program.ts";
import { verdictName } from "../verdict.ts";
import { countingProgram, DEVICE_KEY_SIZE, DEVICE_NAME_SIZE, KEY, KEY_SIZE, VALUE, VALUE_SIZE } from "./counting-program.ts";
import { kernelLayout } from "./kernel-layout.ts";
import { type Place, Places } from "./places.ts";
import { TRACEPOINTS, type Tracepoint, type XdpEventName } from "./tracepoints.ts";

export interface Named {
  id: number;
  /** Null when it has gone. */
  name: string | null;
}

export interface XdpEventCount {
  /** The tracepoint. */
  event: XdpEventName;
  /** Of `xdp_exception`: the verdict, "XDP_ABORTED", "XDP_TX" that the device could not, or the number of a verdict that does not exist. */
  action: string | null;
  /** The kernel's error, "EINVAL"; null when there was none. */
  error: string | null;
  program: Named | null;
  /** Where the packets were received, or sent back by XDP_TX. */
  device: Place | null;
  /** Where they were to go. */
  target: Place | null;
  map: Named | null;
  /** The key of the map's entry; null without a map. */
  index: number | null;
  /** Of the cpumap's events: the CPU that it happened on. */
  cpu: number | null;
  /** Of `xdp_cpumap_enqueue`: the CPU that the packets were to go to. */
  toCpu: number | null;
  /** How often the tracepoint was passed; several packets are sent at once. */
  events: bigint;
  /** Packets that went their way; of `xdp_exception` and failed redirects none did. */
  packets: bigint;
  /** Packets that were dropped here. */
  drops: bigint;
  /** Of `xdp_cpumap_kthread`, with a program in the map: its verdicts. */
  verdicts: { passed: bigint; dropped: bigint; redirected: bigint } | null;
}

export interface XdpEventCounts {
  /** Since it was opened. */
  counts: XdpEventCount[];
  /** Events that were not counted: there was no room for another reason, or a tracepoint was passed while it was being counted on the same CPU. */
  lost: bigint;
}

export interface XdpEventOptions {
  /** Redirects that go well, too: one event a packet, which costs 100 to 200 ns each. Default: false. */
  redirects?: boolean;
}

/** Different reasons that are kept. */
const MOST = 1024;
const WORD = 4;

interface Counting {
  program: ProgramFd;
  link: LinkFd;
}

export class XdpEvents implements Disposable {
  readonly #counts: MapFd;
  readonly #devices: MapFd;
  readonly #lost: MapFd;
  readonly #counting: Counting[] = [];

  /**
   * Begins to count. Needs root (CAP_BPF and CAP_PERFMON) and a kernel that tells its types; Linux 5.15.
   *
   * @throws WirescriptError NO_PRIVILEGES, UNSUPPORTED_SYSTEM.
   */
  constructor({ redirects = false }: XdpEventOptions = {}) {
    const types = kernelTypes("They tell where in its memory an event's device and program are");
    const layout = kernelLayout(types);
    const opened: Fd[] = [];
    const keep = <F extends Fd>(fd: F): F => {
      opened.push(fd);
      return fd;
    };
    try {
      const hash = { flags: 0, maxEntries: MOST };
      const perCpu = { name: "xdp_events", type: MAP_TYPE.PERCPU_HASH, keySize: KEY_SIZE, valueSize: VALUE_SIZE };
      this.#counts = keep(mapCreate({ ...perCpu, ...hash }));
      const names = { name: "xdp_event_devs", keySize: DEVICE_KEY_SIZE, valueSize: DEVICE_NAME_SIZE };
      this.#devices = keep(mapCreate({ ...names, type: MAP_TYPE.HASH, ...hash }));
      const one = { keySize: WORD, valueSize: 8, maxEntries: 1, flags: 0 };
      this.#lost = keep(mapCreate({ name: "xdp_events_lost", type: MAP_TYPE.ARRAY, ...one }));
      const maps = { counts: this.#counts.number, devices: this.#devices.number, lost: this.#lost.number };
      for (const [event, tracepoint] of TRACEPOINTS.entries()) {
        const { name, everyPacket, optional }: Tracepoint = tracepoint;
        if (everyPacket === true && !redirects) continue;
        const id = types.named(`btf_trace_${name}`)[0];
        if (id === undefined) {
          if (optional === true) continue;
          throw noTracepoint(name);
        }
        const program = keep(loadFor(name, id, encode(countingProgram(tracepoint, event, maps, layout))));
        this.#counting.push({ program, link: keep(openRawTracepoint(program)) });
      }
    } catch (error) {
      for (const fd of opened) fd.close();
      if (isErrno(error, "EPERM", "EACCES")) throw denied("The kernel does not let this process count its XDP events.", error);
      throw error;
    }
  }

  /** What was counted until now, in no particular order. */
  read(): XdpEventCounts {
    const places = new Places();
    const [programs, maps] = [new Map<number, Named>(), new Map<number, Named>()];
    const key = new Uint8Array(KEY_SIZE);
    const value = new Uint8Array(VALUE_SIZE * possibleCpus());
    const counts: XdpEventCount[] = [];
    for (let result = mapNextKey(this.#counts, null, key); result === 0; result = mapNextKey(this.#counts, key.slice(), key)) {
      const found = mapLookup(this.#counts, key, value);
      if (found < 0) throw new SyscallError("bpf", -found, "BPF_MAP_LOOKUP_ELEM xdp_events");
      counts.push(this.#describe(key, value, places, programs, maps));
    }
    return { counts, lost: this.#countLost() };
  }

  #describe(
    key: Uint8Array,
    value: Uint8Array,
    places: Places,
    programs: Map<number, Named>,
    maps: Map<number, Named>,
  ): XdpEventCount {
    const keys = new DataView(key.buffer);
    const field = (at: number) => keys.getUint32(at, true);
    const values = new DataView(value.buffer);
    const sum = (at: number) => {
      let total = 0n;
      for (let cpu = 0; cpu < value.length; cpu += VALUE_SIZE) total += values.getBigUint64(cpu + at, true);
      return total;
    };
    const tracepoint: Tracepoint | undefined = TRACEPOINTS[field(KEY.event)];
    if (tracepoint === undefined) throw new Error(`an event of kind ${field(KEY.event)} was counted`);
    const has = (argument: Tracepoint["arguments"][number]) => tracepoint.arguments.includes(argument);
    const device = (ifindex: number, netns: number) =>
      field(netns) === 0 ? null : places.place(field(netns), field(ifindex), this.#remembered(field(netns), field(ifindex)));
    const error = keys.getInt32(KEY.error, true);
    const map = field(KEY.map) === 0 ? null : named(maps, field(KEY.map), nameOfMap);
    return {
      event: tracepoint.name as XdpEventName,
      action: has("action") ? verdictName("xdp", field(KEY.action)) : null,
      error: error === 0 ? null : errnoName(Math.abs(error)),
      program: has("program") ? named(programs, field(KEY.program), nameOfProgram) : null,
      device: device(KEY.ifindex, KEY.netns),
      target: device(KEY.targetIfindex, KEY.targetNetns),
      map,
      index: map !== null && has("index") ? field(KEY.index) : null,
      cpu: has("to cpu") || has("verdicts") ? field(KEY.cpu) : null,
      toCpu: has("to cpu") ? field(KEY.toCpu) : null,
      events: sum(VALUE.events),
      packets: sum(VALUE.packets),
      drops: sum(VALUE.drops),
      verdicts: has("verdicts")
        ? { passed: sum(VALUE.passed), dropped: sum(VALUE.dropped), redirected: sum(VALUE.redirected) }
        : null,
    };
  }

  #remembered(netns: number, ifindex: number): string | null {
    const name = new Uint8Array(DEVICE_NAME_SIZE);
    const key = new Uint8Array(new Uint32Array([netns, ifindex]).buffer);
    if (mapLookup(this.#devices, key, name) < 0) return null;
    return new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
  }

  #countLost(): bigint {
    const value = new Uint8Array(8);
    mapLookup(this.#lost, new Uint8Array(WORD), value);
    const missed = this.#counting.reduce((sum, { program }) => sum + programInfo(program).recursionMisses, 0n);
    return new DataView(value.buffer).getBigUint64(0, true) + missed;
  }

  /** Stops counting, and leaves nothing in the kernel. May be called twice. */
  close(): void {
    for (const { link, program } of this.#counting) {
      link.close();
      program.close();
    }
    for (const map of [this.#counts, this.#devices, this.#lost]) map.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function loadFor(tracepoint: string, attachBtfId: number, instructions: Uint8Array): ProgramFd {
  const loaded = programLoad({
    name: tracepoint.slice(0, 15),
    type: BPF.BPF_PROG_TYPE_TRACING,
    expectedAttachType: BPF.BPF_TRACE_RAW_TP,
    attachBtfId,
    flags: 0,
    // The kernel shows its structures to such programs only.
    license: "Dual MIT/GPL",
    instructions,
  });
  if (loaded instanceof Fd) return loaded;
  if (["EPERM", "EACCES"].includes(errnoName(loaded.errno)) && loaded.log === "") {
    throw new SyscallError("bpf", loaded.errno, `BPF_PROG_LOAD ${tracepoint}`);
  }
  throw new WirescriptError({
    code: "UNSUPPORTED_SYSTEM",
    what: `This kernel does not take the program that counts at its tracepoint ${tracepoint} (${errnoName(loaded.errno)}).`,
    why: loaded.log.trim().split("\n").slice(-3).join("\n") || "It says no more.",
    fix: "The tracepoints were the same from Linux 5.15 to 6.18; report this with the kernel's version.",
  });
}

function noTracepoint(name: string): WirescriptError {
  return new WirescriptError({
    code: "UNSUPPORTED_SYSTEM",
    what: `This kernel has no tracepoint ${name}.`,
    why: "It is older than Linux 5.15, or was built without CONFIG_TRACEPOINTS or CONFIG_BPF_SYSCALL.",
    fix: "Use a kernel that has it: those of all distributions do.",
  });
}

function named(known: Map<number, Named>, id: number, nameOf: (id: number) => string | null): Named {
  let found = known.get(id);
  if (found === undefined) {
    found = { id, name: nameOf(id) };
    known.set(id, found);
  }
  return found;
}

function nameOfProgram(id: number): string | null {
  const fd = unlessGone(() => programById(id));
  if (fd === null) return null;
  using opened = fd;
  return describeProgram(opened).name;
}

function nameOfMap(id: number): string | null {
  const fd = unlessGone(() => mapById(id));
  if (fd === null) return null;
  using opened = fd;
  return mapInfo(opened).name;
}
