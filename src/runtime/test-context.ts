/** What a program sees besides the packet in a test run: `struct xdp_md` and `struct __sk_buff` of linux/bpf.h as bytes. */
import type { ProgramType } from "../object/spec.ts";

/** Fields that are left out are 0. */
export interface XdpTestContext {
  ingressIfindex?: number;
  rxQueueIndex?: number;
}

/** Fields that are left out are 0, the interface is the loopback device, and as many bytes are on the wire as the packet has. */
export interface SkbTestContext {
  mark?: number;
  priority?: number;
  ingressIfindex?: number;
  /** The interface at whose hook the program runs. */
  ifindex?: number;
  /** Nanoseconds. */
  tstamp?: bigint;
  wireLength?: number;
  gsoSegments?: number;
  gsoSize?: number;
}

export type TestContext = XdpTestContext & SkbTestContext;

type Field = readonly [offset: number, bytes: 4 | 8];

const FIELDS = {
  xdp: { size: 24, fields: { ingressIfindex: [12, 4], rxQueueIndex: [16, 4] } },
  sched_cls: {
    size: 192,
    fields: {
      mark: [8, 4],
      priority: [32, 4],
      ingressIfindex: [36, 4],
      ifindex: [40, 4],
      tstamp: [152, 8],
      wireLength: [160, 4],
      gsoSegments: [164, 4],
      gsoSize: [176, 4],
    },
  },
} as const satisfies Record<ProgramType, { size: number; fields: Partial<Record<keyof TestContext, Field>> }>;

/** Names of fields that the type of program does not have. */
export function unknownFields(type: ProgramType, context: TestContext): string[] {
  return Object.keys(context).filter((name) => !Object.hasOwn(FIELDS[type].fields, name));
}

export function encodeContext(type: ProgramType, length: number, context: TestContext): Uint8Array {
  const { size, fields } = FIELDS[type];
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  // For XDP the kernel wants to know where the packet ends; of a socket buffer it knows.
  if (type === "xdp") view.setUint32(4, length, true);
  for (const [name, [offset, width]] of Object.entries<Field>(fields)) {
    const value = context[name as keyof TestContext];
    if (value === undefined) continue;
    if (width === 8) view.setBigUint64(offset, BigInt(value), true);
    else view.setUint32(offset, Number(value), true);
  }
  return bytes;
}

/** The fields as the program left them. */
export function decodeContext(type: ProgramType, bytes: Uint8Array): TestContext {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Object.fromEntries(
    Object.entries<Field>(FIELDS[type].fields).map(([name, [offset, width]]) => [
      name,
      width === 8 ? view.getBigUint64(offset, true) : view.getUint32(offset, true),
    ]),
  );
}
