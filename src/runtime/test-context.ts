/**
 * The context of a test run, field by field: what `bpf(2)` takes as `ctx_in` and gives back as `ctx_out`. Only the fields that the
 * kernel lets a test set are here; it refuses a run with anything else in the structure. Offsets: `struct xdp_md` and
 * `struct __sk_buff` of linux/bpf.h, the same on every architecture; a test compares them with the header.
 */
import type { ProgramType } from "../object/spec.ts";

/** Fields that are left out are 0. With a receive queue, the interface must be given too. */
export interface XdpTestContext {
  /** A device of the calling thread's network namespace. */
  ingressIfindex?: number;
  rxQueueIndex?: number;
  /** Metadata in front of the packet, as an earlier program would have left it: a multiple of 4 bytes, at most 216 (32 before Linux 6.5). */
  meta?: Uint8Array;
}

/** Fields that are left out are 0, the interface is the loopback device, and as many bytes are on the wire as the packet has. */
export interface SkbTestContext {
  mark?: number;
  priority?: number;
  ingressIfindex?: number;
  /** The interface at whose hook the program runs. */
  ifindex?: number;
  /** Five words that programs at one hook share. */
  cb?: readonly number[];
  /** Nanoseconds. */
  tstamp?: bigint;
  wireLength?: number;
  gsoSegments?: number;
  gsoSize?: number;
  /** When the card received it, in nanoseconds of the card's clock. */
  hwtstamp?: bigint;
}

export type TestContext = XdpTestContext & SkbTestContext;

/** Words of 4 bytes are numbers, a word of 8 bytes is a bigint, more than one word is a list. */
type Field = readonly [offset: number, bytes: number];

interface Layout {
  readonly struct: string;
  readonly size: number;
  /** By the name that it has here: the header's name, and where that is. */
  readonly fields: Readonly<Record<string, { readonly field: string; readonly at: Field }>>;
}

const SKB = {
  struct: "__sk_buff",
  size: 192,
  fields: {
    mark: { field: "mark", at: [8, 4] },
    priority: { field: "priority", at: [32, 4] },
    ingressIfindex: { field: "ingress_ifindex", at: [36, 4] },
    ifindex: { field: "ifindex", at: [40, 4] },
    cb: { field: "cb", at: [48, 20] },
    tstamp: { field: "tstamp", at: [152, 8] },
    wireLength: { field: "wire_len", at: [160, 4] },
    gsoSegments: { field: "gso_segs", at: [164, 4] },
    gsoSize: { field: "gso_size", at: [176, 4] },
    hwtstamp: { field: "hwtstamp", at: [184, 8] },
  },
} as const;

export const CONTEXT_LAYOUT = {
  xdp: {
    struct: "xdp_md",
    size: 24,
    fields: {
      ingressIfindex: { field: "ingress_ifindex", at: [12, 4] },
      rxQueueIndex: { field: "rx_queue_index", at: [16, 4] },
    },
  },
  sched_cls: SKB,
  sched_act: SKB,
} as const satisfies Record<ProgramType, Layout>;

/** Of `struct xdp_md`: where the packet begins and ends in the data that is handed over, metadata first. */
const XDP_DATA = 0;
const XDP_DATA_END = 4;

const fieldsOf = (type: ProgramType): Layout["fields"] => CONTEXT_LAYOUT[type].fields;

/** Names of fields that the type of program does not have. */
export function unknownFields(type: ProgramType, context: TestContext): string[] {
  return Object.keys(context).filter((name) => !Object.hasOwn(fieldsOf(type), name) && !(type === "xdp" && name === "meta"));
}

/** `length`: bytes of the packet, metadata not counted. */
export function encodeContext(type: ProgramType, length: number, context: TestContext): Uint8Array {
  const bytes = new Uint8Array(CONTEXT_LAYOUT[type].size);
  const view = new DataView(bytes.buffer);
  if (type === "xdp") {
    // The kernel wants to know where the packet is; of a socket buffer it knows.
    const meta = context.meta?.length ?? 0;
    view.setUint32(XDP_DATA, meta, true);
    view.setUint32(XDP_DATA_END, meta + length, true);
  }
  for (const [name, { at }] of Object.entries(fieldsOf(type))) {
    const value = context[name as keyof TestContext];
    if (value !== undefined) write(view, at, value as number | bigint | readonly number[]);
  }
  return bytes;
}

function write(view: DataView, [offset, width]: Field, value: number | bigint | readonly number[]): void {
  if (width === 8) view.setBigUint64(offset, BigInt(value as number | bigint), true);
  else if (width === 4) view.setUint32(offset, Number(value), true);
  else for (const [index, word] of (value as readonly number[]).entries()) view.setUint32(offset + index * 4, word, true);
}

/** The fields as the program left them, metadata apart. */
export function decodeContext(type: ProgramType, bytes: Uint8Array): TestContext {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Object.fromEntries(Object.entries(fieldsOf(type)).map(([name, { at }]) => [name, read(view, at)]));
}

function read(view: DataView, [offset, width]: Field): number | bigint | number[] {
  if (width === 8) return view.getBigUint64(offset, true);
  if (width === 4) return view.getUint32(offset, true);
  return Array.from({ length: width / 4 }, (_, index) => view.getUint32(offset + index * 4, true));
}

/** How many bytes of metadata stand in front of the packet that came back from an XDP program: they come first. */
export function metadataLength(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(XDP_DATA, true);
}
