/**
 * The one door to bpf(2): packs named fields into `union bpf_attr` by the table in `bpf-layout.ts`, calls the kernel, and gives the
 * fields back that the kernel may have written. Everything above is typed functions.
 */
import { ATTR, type BpfCommand, type Field } from "./bpf-layout.ts";
import { SyscallError } from "./errno.ts";
import { addressOf, succeedsInBackground, syscallResult } from "./ffi.ts";

type Value<F extends Field> = F[1] extends 4 ? number : F[1] extends 8 ? number | bigint | Uint8Array | null : string;
type Fields<C extends BpfCommand> = {
  [K in keyof (typeof ATTR)[C]["fields"]]?: (typeof ATTR)[C]["fields"][K] extends Field
    ? Value<(typeof ATTR)[C]["fields"][K]>
    : never;
};

export interface Answer<C extends BpfCommand> {
  /** What the system call returned: ≥ 0, or a negative errno. */
  readonly result: number;
  /** Reads a 4-byte field that the kernel may have written. */
  read(field: keyof (typeof ATTR)[C]["fields"]): number;
  /** Reads one of 8 bytes. */
  readWord(field: keyof (typeof ATTR)[C]["fields"]): bigint;
}

const ENCODER = new TextEncoder();
const EINTR = 4;
const EAGAIN = 11;
/** The verifier gives up with EAGAIN when a signal arrives; libbpf too tries five times. */
const ATTEMPTS = 5;

/** Calls the kernel; a failure is the negative errno in `result`. For calls whose failure is an everyday answer, such as a lookup. */
export function tryBpf<C extends BpfCommand>(command: C, values: Fields<C>): Answer<C> {
  const layout = ATTR[command];
  const fields: Readonly<Record<string, Field>> = layout.fields;
  const attr = packed(command, values);
  const view = new DataView(attr.buffer);
  let result = 0;
  memoryInUse = values;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    result = syscallResult("bpf", layout.command, attr, layout.size);
    if (result !== -EINTR && result !== -EAGAIN) break;
  }
  memoryInUse = null;
  const offset = (field: unknown): number => (fields[field as string] as Field)[0];
  return {
    result,
    read: (field) => view.getUint32(offset(field), true),
    readWord: (field) => view.getBigUint64(offset(field), true),
  };
}

/** The command's part of `union bpf_attr`. Addresses in it are good as long as `values` is held. */
function packed<C extends BpfCommand>(command: C, values: Fields<C>): Uint8Array<ArrayBuffer> {
  const layout = ATTR[command];
  const fields: Readonly<Record<string, Field>> = layout.fields;
  const attr = new Uint8Array(layout.size);
  const view = new DataView(attr.buffer);
  for (const name in values) {
    // `name` comes from `values`, whose keys are the layout's.
    const [offset, bytes] = fields[name] as Field;
    const value: unknown = values[name];
    if (bytes === 16) attr.set(ENCODER.encode(value as string).subarray(0, 15), offset);
    else if (bytes === 4) view.setUint32(offset, value as number, true);
    else view.setBigUint64(offset, word(value as number | bigint | Uint8Array | null), true);
  }
  return attr;
}

/** Of calls in the background. */
const valuesInUse = new Set<unknown>();

/** Calls the kernel on another thread, and says whether it succeeded (`succeedsInBackground`). */
export async function bpfSucceedsInBackground<C extends BpfCommand>(command: C, values: Fields<C>): Promise<boolean> {
  const attr = packed(command, values);
  valuesInUse.add(values);
  try {
    return await succeedsInBackground("bpf", ATTR[command].command, attr, attr.length);
  } finally {
    valuesInUse.delete(values);
  }
}

/** The kernel holds mere addresses during a call, so the memory behind them is held here against garbage collection. */
export let memoryInUse: unknown = null;

/** @throws SyscallError whose message names the command. */
export function bpf<C extends BpfCommand>(command: C, values: Fields<C>): Answer<C> {
  const answer = tryBpf(command, values);
  if (answer.result < 0) throw new SyscallError("bpf", -answer.result, `BPF_${command}`);
  return answer;
}

function word(value: number | bigint | Uint8Array | null | undefined): bigint {
  if (value instanceof Uint8Array) return addressOf(value);
  return BigInt(value ?? 0);
}
