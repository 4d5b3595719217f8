/** Queues and stacks in user space: the twins of `kernel/maps/queue.ts`. They have no keys and cannot be listed. */
import { BPF, mapLookup, mapTake, mapUpdate } from "../../sys/bpf.ts";
import { mapFailure } from "./failure.ts";
import { BpfMap, type MapParts } from "./map.ts";

const ENOENT = 2;

export interface PushOptions {
  /** Throw the oldest value out when there is no room. */
  overwrite?: boolean;
}

abstract class WaitingMap<V> extends BpfMap {
  readonly #value: MapParts["value"];

  constructor(parts: MapParts) {
    super(parts);
    this.#value = parts.value;
  }

  /** Puts a value in. @throws WirescriptError MAP when there is no room, or the value does not fit its type. */
  push(value: V, { overwrite = false }: PushOptions = {}): void {
    const bytes = new Uint8Array(this.valueSize);
    this.#value.encode(value, bytes);
    const result = mapUpdate(this.fd, null, bytes, overwrite ? BPF.BPF_EXIST : BPF.BPF_ANY);
    if (result < 0) throw mapFailure(this, "push", -result, value);
  }

  /** Takes out the next value; undefined when there is none. @throws WirescriptError (MAP) */
  pop(): V | undefined {
    return this.#copy((bytes) => mapTake(this.fd, bytes));
  }

  /** The value that `pop` would take out; undefined when there is none. @throws WirescriptError (MAP) */
  peek(): V | undefined {
    return this.#copy((bytes) => mapLookup(this.fd, null, bytes));
  }

  #copy(read: (bytes: Uint8Array) => number): V | undefined {
    const bytes = new Uint8Array(this.valueSize);
    const result = read(bytes);
    if (result === -ENOENT) return undefined;
    if (result < 0) throw mapFailure(this, "read", -result);
    // The codec was made from the map's types, which the type parameter states.
    return this.#value.decode(bytes) as V;
  }
}

/** First in, first out. */
export class QueueMap<V = unknown> extends WaitingMap<V> {
  readonly kind = "queue";
}

/** Last in, first out. */
export class StackMap<V = unknown> extends WaitingMap<V> {
  readonly kind = "stack";
}
