/**
 * bpf_fib_lookup: what a program asks the kernel's routing and neighbour tables. The interpreter has no such tables; whoever runs the program
 * answers, and this translates between the answer and struct bpf_fib_lookup of linux/bpf.h.
 */
import { int32, uint32 } from "./arithmetic.ts";
import { VmFault } from "./fault.ts";
import type { HelperHost } from "./helpers.ts";

export interface FibRequest {
  family: 4 | 6;
  /** IP protocol number. */
  protocol: number;
  /** Bytes, to be compared with the route's MTU. */
  length: number;
  /** The interface that the packet came in by. */
  ifindex: number;
  /** 4 or 16 bytes. */
  source: Uint8Array;
  destination: Uint8Array;
  /** BPF_FIB_LOOKUP_… */
  flags: number;
}

export interface FibAnswer {
  /** BPF_FIB_LKUP_RET_…, or a negative errno. */
  result: number;
  /** The kernel fills in what it has found out, also when the result is not success: then it may know the interface, and no neighbour. */
  ifindex?: number;
  smac?: ArrayLike<number>;
  dmac?: ArrayLike<number>;
  mtu?: number;
  /** The address of the next hop, where it is not the destination. */
  gateway?: ArrayLike<number>;
  /** The route's priority. 0 unless given. */
  metric?: number;
}

export type FibLookup = (request: FibRequest) => FibAnswer;

/** Bytes of the struct, and where its fields are. */
const SIZE = 64;
const AT = {
  family: 0,
  protocol: 1,
  length: 6,
  ifindex: 8,
  metric: 12,
  source: 16,
  destination: 32,
  vlan: 48,
  smac: 52,
  dmac: 58,
};

const AF_INET = 2;
const AF_INET6 = 10;
/** All flags of Linux 6.18, from BPF_FIB_LOOKUP_DIRECT to _MARK. */
const FLAGS = 0x3f;
const EINVAL = -22n;
const EAFNOSUPPORT = -97n;

/** bpf_fib_lookup(context, params, size of params, flags) */
export function lookUpRoute(host: HelperHost, argument: (index: 1 | 2 | 3 | 4 | 5) => bigint): bigint {
  const [address, size, flags] = [argument(2), int32(argument(3)), uint32(argument(4))];
  const params = host.space.read(address, Math.max(0, size));
  if (size < SIZE || (flags & ~FLAGS) !== 0) return EINVAL;
  const family = params[AT.family];
  if (family !== AF_INET && family !== AF_INET6) return EAFNOSUPPORT;
  if (host.fibLookup === null) throw new VmFault("The program looks up a route, and nobody has said what to answer.");
  const view = new DataView(params.buffer);
  const addressBytes = family === AF_INET ? 4 : 16;
  const answer = host.fibLookup({
    family: family === AF_INET ? 4 : 6,
    protocol: params[AT.protocol] ?? 0,
    length: view.getUint16(AT.length, true),
    ifindex: view.getUint32(AT.ifindex, true),
    source: params.slice(AT.source, AT.source + addressBytes),
    destination: params.slice(AT.destination, AT.destination + addressBytes),
    flags,
  });
  fillIn(params, answer);
  host.space.write(address, params);
  return BigInt(answer.result);
}

function fillIn(params: Uint8Array, { result, ifindex, smac, dmac, mtu, gateway, metric = 0 }: FibAnswer): void {
  const view = new DataView(params.buffer);
  if (mtu !== undefined) view.setUint16(AT.length, mtu, true);
  if (gateway !== undefined) params.set(gateway, AT.destination);
  if (ifindex !== undefined) {
    view.setUint32(AT.ifindex, ifindex, true);
    view.setUint32(AT.metric, metric, true);
  }
  if (smac !== undefined) params.set(smac, AT.smac);
  if (dmac !== undefined) params.set(dmac, AT.dmac);
  if (result === 0) view.setUint32(AT.vlan, 0);
}
