/** Ring buffers in user space: the twin of `kernel/maps/ring-buffer.ts`. Their records are read in order, each once. */

import { WirescriptError } from "../../errors.ts";
import type { Btf } from "../../object/btf/types.ts";
import { isErrno, type SyscallError } from "../../sys/errno.ts";
import { EventReader } from "../events/event-reader.ts";
import { claim } from "../events/open-readers.ts";
import { type DecodeOptions, recordDecoder } from "../events/record-decoder.ts";
import { RingSource } from "../events/ring-source.ts";
import { denied } from "../privileges.ts";
import { accessOf } from "./access.ts";
import type { Codec } from "./codecs.ts";
import { BpfMap, type MapParts } from "./map.ts";

export interface ReaderOptions {
  /** Ends the reading quietly, as `close` does. */
  signal?: AbortSignal;
}

/**
 * Reads a ring buffer: `for await (const event of reader)`, `reader.listen(event => …)`, or `reader.drain(event => …)` for what is there.
 * The kernel does not count what programs could not write because there was no room: `reserve()` and `output()` tell the program, which can
 * count it (in a per-CPU array, for example). What can be seen from here is how full the ring is.
 */
export class RingBufferReader<T = unknown> extends EventReader<T> {
  readonly #source: RingSource<T>;

  /** For `RingBufferMap.reader`. */
  constructor(source: RingSource<T>, what: string, signal: AbortSignal | undefined, onClose: () => void) {
    super(source, what, signal, onClose);
    this.#source = source;
  }

  /** Records that programs reserved and gave up. */
  get discarded(): number {
    return this.#source.discarded;
  }

  /** Bytes in the ring that are not read yet, of `map.maxEntries`; each record takes 8 bytes more than its own. */
  get unreadBytes(): number {
    return this.#source.unreadBytes;
  }
}

export class RingBufferMap<V = unknown> extends BpfMap implements AsyncIterable<V> {
  readonly kind = "ringBuffer";
  readonly #btf: Btf | null;
  readonly #declared: Codec | null;
  readonly #readers = new Set<Disposable>();

  constructor(parts: MapParts) {
    super(parts);
    this.#btf = parts.btf ?? null;
    // A ring buffer without a declared type has values of no bytes.
    this.#declared = parts.value.size > 0 ? parts.value : null;
  }

  /**
   * Opens the reader of this ring buffer; there can be one at a time. It goes on where the last one stopped, also one of another process.
   * Records have the type that the map declares, or are bytes; `type` names another one of the object's types, `decode` reads the bytes.
   *
   * @throws WirescriptError USAGE when it is being read in this process, or there is no such type; NO_PRIVILEGES.
   */
  reader(options?: ReaderOptions): RingBufferReader<V>;
  reader<T>(options: ReaderOptions & DecodeOptions<T>): RingBufferReader<T>;
  reader<T>(options: ReaderOptions & DecodeOptions<T> = {}): RingBufferReader<T> {
    const decode = recordDecoder({ name: this.name, btf: this.#btf, declared: this.#declared }, options);
    const what = `The ring buffer "${this.name}"`;
    const unclaim = claim(this.info().id, what);
    try {
      const source = new RingSource(this.fd, this.name, this.maxEntries, decode);
      // A signal that was given already closes the reader while it is made.
      let reader: RingBufferReader<T> | null = null;
      reader = new RingBufferReader<T>(source, what.replace("The", "the"), options.signal, () => {
        unclaim();
        if (reader !== null) this.#readers.delete(reader);
      });
      if (!reader.closed) this.#readers.add(reader);
      return reader;
    } catch (error) {
      unclaim();
      if (isErrno(error, "EPERM", "EACCES") && !accessOf(this.fd).writable) throw this.#readOnly(error);
      if (isErrno(error, "EPERM", "EACCES")) throw denied(`${what} cannot be mapped to be read.`, error);
      throw error;
    }
  }

  #readOnly(cause: SyscallError): WirescriptError {
    return new WirescriptError({
      code: "MAP",
      what: `The ring buffer "${this.name}" cannot be read through this descriptor.`,
      why: "It was opened for reading only, and who reads a ring buffer writes into it how far.",
      fix: "Open it for reading and writing.",
      cause,
    });
  }

  /** Reads it until the loop ends: `for await (const event of map)`. */
  [Symbol.asyncIterator](): RingBufferReader<V> {
    return this.reader();
  }

  override close(): void {
    for (const reader of [...this.#readers]) reader[Symbol.dispose]();
    super.close();
  }
}
