/** Perf buffers in user space: arrays of perf events, to which programs write with `bpf_perf_event_output`. */
import { WirescriptError } from "../../errors.ts";
import type { Btf } from "../../object/btf/types.ts";
import { mapDelete, mapUpdate } from "../../sys/bpf.ts";
import { possibleCpus } from "../../sys/cpus.ts";
import { isErrno } from "../../sys/errno.ts";
import { MappedMemory } from "../../sys/mapped-memory.ts";
import { pageSize } from "../../sys/page-size.ts";
import { enablePerfEvent, openBpfOutput } from "../../sys/perf-event.ts";
import { EventReader } from "../events/event-reader.ts";
import { claim } from "../events/open-readers.ts";
import { type PerfEvent, type PerfRing, PerfSource } from "../events/perf-source.ts";
import { type DecodeOptions, recordDecoder } from "../events/record-decoder.ts";
import { denied } from "../privileges.ts";
import { Undo } from "../undo.ts";
import { mapFailure } from "./failure.ts";
import { BpfMap, type MapParts } from "./map.ts";
import type { ReaderOptions } from "./ring-buffer.ts";

export interface PerfReaderOptions extends ReaderOptions {
  /** Room for records, for each CPU: a power of two, and a multiple of the page size. Default 256 KiB. */
  bytesPerCpu?: number;
  /** How many records a CPU writes before the reader is woken (default 1): more wake it less often, and later. */
  wakeUpEvents?: number;
}

/** Reads a perf buffer. Records are read from the CPUs in turn; between CPUs there is no order. */
export class PerfReader<T = Uint8Array> extends EventReader<PerfEvent<T>> {
  readonly #source: PerfSource<T>;

  /** For `PerfEventArray.reader`. */
  constructor(source: PerfSource<T>, what: string, signal: AbortSignal | undefined, onClose: () => void) {
    super(source, what, signal, onClose);
    this.#source = source;
  }

  /** Records that found no room: the kernel tells with the next record that does. */
  get lost(): number {
    let lost = 0;
    for (const count of this.lostByCpu.values()) lost += count;
    return lost;
  }

  get lostByCpu(): ReadonlyMap<number, number> {
    return this.#source.lostByCpu;
  }
}

/** An array with a perf event for each CPU. Its elements cannot be read; a reader fills them and takes them out when it is closed. */
export class PerfEventArray extends BpfMap implements AsyncIterable<PerfEvent<Uint8Array>> {
  readonly kind = "perfEventArray";
  readonly #btf: Btf | null;
  readonly #readers = new Set<Disposable>();

  constructor(parts: MapParts) {
    super(parts);
    this.#btf = parts.btf ?? null;
  }

  /**
   * Opens an event for each CPU that is online and puts it into the map: from now on programs' records arrive. There can be one reader at a time;
   * one of another process would take the CPUs over, which the kernel does not tell. Records are bytes (the kernel pads them, so that they
   * may be up to 7 bytes longer than what was written), unless `type` names one of the object's types, or `decode` reads them.
   *
   * @throws WirescriptError USAGE when it is being read in this process, for sizes that do not fit, or an unknown type; NO_PRIVILEGES.
   */
  reader(options?: PerfReaderOptions): PerfReader<Uint8Array>;
  reader<T>(options: PerfReaderOptions & DecodeOptions<T>): PerfReader<T>;
  reader<T>(options: PerfReaderOptions & DecodeOptions<T> = {}): PerfReader<T> {
    const { bytesPerCpu = Math.max(1 << 18, pageSize()), wakeUpEvents = 1 } = options;
    const decode = recordDecoder({ name: this.name, btf: this.#btf, declared: null }, options);
    this.#checkSize(bytesPerCpu, wakeUpEvents);
    const what = `The perf buffer "${this.name}"`;
    const unclaim = claim(this.info().id, what);
    const undo = new Undo();
    try {
      const rings: PerfRing[] = [];
      for (let cpu = 0; cpu < Math.min(possibleCpus(), this.maxEntries); cpu++) {
        const ring = this.#open(cpu, bytesPerCpu, wakeUpEvents, undo);
        if (ring !== null) rings.push(ring);
      }
      // A signal that was given already closes the reader while it is made.
      let reader: PerfReader<T> | null = null;
      reader = new PerfReader<T>(new PerfSource(rings, decode), what.replace("The", "the"), options.signal, () => {
        unclaim();
        if (reader !== null) this.#readers.delete(reader);
      });
      if (!reader.closed) this.#readers.add(reader);
      return reader;
    } catch (error) {
      unclaim();
      undo.run();
      if (isErrno(error, "EPERM", "EACCES")) throw denied(`${what} cannot be opened.`, error);
      throw error;
    }
  }

  /** Null for a CPU that is not online. */
  #open(cpu: number, bytes: number, wakeUpEvents: number, undo: Undo): PerfRing | null {
    let fd: PerfRing["fd"];
    try {
      fd = openBpfOutput(cpu, wakeUpEvents);
    } catch (error) {
      if (isErrno(error, "ENODEV")) return null;
      throw error;
    }
    undo.push(() => fd.close());
    const memory = new MappedMemory(fd.number, pageSize() + bytes, { writable: true });
    undo.push(() => memory.close());
    const key = new Uint8Array(new Uint32Array([cpu]).buffer);
    const result = mapUpdate(this.fd, key, new Uint8Array(new Uint32Array([fd.number]).buffer), 0);
    if (result < 0) throw mapFailure(this, "set", -result, cpu);
    const remove = () => void mapDelete(this.fd, key);
    undo.push(remove);
    enablePerfEvent(fd);
    return { cpu, fd, memory, remove };
  }

  #checkSize(bytes: number, wakeUpEvents: number): void {
    const fits = Number.isInteger(Math.log2(bytes)) && bytes >= pageSize() && bytes <= 1 << 30;
    if (fits && Number.isInteger(wakeUpEvents) && wakeUpEvents >= 1) return;
    throw new WirescriptError({
      code: "USAGE",
      what: `The perf buffer "${this.name}" cannot be read with ${bytes} bytes for each CPU, waking after ${wakeUpEvents} records.`,
      why: `The room is a power of two from ${pageSize()} to ${1 << 30}, and at least one record wakes.`,
      fix: "Use for example { bytesPerCpu: 1 << 18 }.",
    });
  }

  /** Reads it until the loop ends: `for await (const { cpu, data } of map)`. */
  [Symbol.asyncIterator](): PerfReader<Uint8Array> {
    return this.reader();
  }

  override close(): void {
    for (const reader of [...this.#readers]) reader[Symbol.dispose]();
    super.close();
  }
}
