/**
 * What `bpf_fib_lookup` answers a program: asked by a program of our own in a test run, so that the answer is the helper's and not another
 * interface's opinion. The lookup happens in the calling thread's network namespace. Linux 4.18; test runs of XDP programs use the namespace's `lo`.
 */
import { encode } from "../object/encoding.ts";
import { HELPER } from "../object/helpers.ts";
import { OPCODE } from "../object/opcodes.ts";
import { BPF, Fd, type ProgramFd, programLoad, programTestRun } from "../sys/bpf.ts";
import { errnoName, SyscallError } from "../sys/errno.ts";
import { AF_INET, AF_INET6, formatIp, parseIp } from "../sys/ip-address.ts";
import { formatMac } from "../sys/mac.ts";
import {
  address,
  type Code,
  call,
  copy,
  FRAME,
  ifAtMost,
  load,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R8,
  set,
  store,
} from "./xdp-events/code.ts";

/** BPF_FIB_LKUP_RET_… of linux/bpf.h, by number. */
export const FIB_RESULTS = [
  "SUCCESS",
  "BLACKHOLE",
  "UNREACHABLE",
  "PROHIBIT",
  "NOT_FWDED",
  "FWD_DISABLED",
  "UNSUPP_LWT",
  "NO_NEIGH",
  "FRAG_NEEDED",
  "NO_SRC_ADDR",
] as const;

export type FibResultName = (typeof FIB_RESULTS)[number];

export interface FibQuestion {
  source: string;
  destination: string;
  /** The device that the packet came in by. */
  ifindex: number;
  /** Of the packet from the IP header on, in bytes; 0: whether it fits is not asked. */
  length?: number;
}

export interface FibAnswer {
  /** The helper's result: an index of `FIB_RESULTS`, or a negative errno. */
  code: number;
  /** "SUCCESS", "EINVAL"; the number where it is unknown. */
  name: string;
  /** The device to leave by, when a route was found. */
  ifindex: number;
  /** Whose MAC address is needed: the gateway's, or the destination's. */
  nextHop: string;
  /** Of the frame, when the result is SUCCESS. */
  macs: { from: string; to: string };
  /** Of the route, in bytes; 0 when it is not told. */
  mtu: number;
}

/** `struct bpf_fib_lookup`: offsets in bytes. */
const PARAMS = { size: 64, family: 0, length: 6, ifindex: 8, source: 16, destination: 32, smac: 52, dmac: 58 } as const;
/** The parameters lie in the packet, behind what the kernel wants a frame to begin with, and the result behind them. */
const AT = 16;
const PACKET_SIZE = AT + PARAMS.size + 8;

/** Asks. @throws SyscallError when the kernel takes no such program (CAP_NET_ADMIN and CAP_BPF are needed). */
export function fibLookup({ source, destination, ifindex, length = 0 }: FibQuestion): FibAnswer {
  using program = loadQuestion();
  const packet = new Uint8Array(PACKET_SIZE);
  const params = new DataView(packet.buffer, AT);
  const from = parseIp(source);
  packet[AT + PARAMS.family] = from.length === 4 ? AF_INET : AF_INET6;
  params.setUint16(PARAMS.length, length, true);
  params.setUint32(PARAMS.ifindex, ifindex, true);
  packet.set(from, AT + PARAMS.source);
  packet.set(parseIp(destination), AT + PARAMS.destination);
  const answer = programTestRun({ program, packet, repeat: 1 }).packet;
  const view = new DataView(answer.buffer, answer.byteOffset + AT);
  const code = Number(view.getBigInt64(PARAMS.size, true));
  const bytes = (at: number, size: number) => answer.slice(AT + at, AT + at + size);
  return {
    code,
    name: code < 0 ? errnoName(-code) : (FIB_RESULTS[code] ?? `${code}`),
    ifindex: view.getUint32(PARAMS.ifindex, true),
    nextHop: formatIp(bytes(PARAMS.destination, from.length)),
    macs: { from: formatMac(bytes(PARAMS.smac, 6)), to: formatMac(bytes(PARAMS.dmac, 6)) },
    mtu: code === 0 || FIB_RESULTS[code] === "FRAG_NEEDED" ? view.getUint16(PARAMS.length, true) : 0,
  };
}

/** Copies the parameters from the packet to the stack, asks, and copies what has become of them back. */
function question(): Code {
  const words = Array.from({ length: PARAMS.size / 8 }, (_, index) => index * 8);
  const [data, end] = [0, 4];
  return [
    ...copy(R6, R1),
    ...load("W", R7, R6, data),
    ...load("W", R3, R6, end),
    ...address(R4, R7, PACKET_SIZE),
    ...ifAtMost(R4, R3, [
      ...words.flatMap((at) => [...load("DW", R0, R7, AT + at), ...store("DW", FRAME, at - PARAMS.size, R0)]),
      ...copy(R1, R6),
      ...address(R2, FRAME, -PARAMS.size),
      ...set(R3, PARAMS.size),
      ...set(R4, 0),
      ...call(HELPER.fib_lookup),
      ...copy(R8, R0),
      ...words.flatMap((at) => [...load("DW", R0, FRAME, at - PARAMS.size), ...store("DW", R7, AT + at, R0)]),
      ...store("DW", R7, AT + PARAMS.size, R8),
    ]),
    ...set(R0, 2),
    { opcode: OPCODE.EXIT, dst: 0, src: 0, offset: 0, imm: 0 },
  ];
}

function loadQuestion(): ProgramFd {
  const loaded = programLoad({
    name: "fib_question",
    type: BPF.BPF_PROG_TYPE_XDP,
    expectedAttachType: BPF.BPF_XDP,
    flags: 0,
    // bpf_fib_lookup is for such programs only.
    license: "Dual MIT/GPL",
    instructions: encode(question()),
  });
  if (loaded instanceof Fd) return loaded;
  throw new SyscallError("bpf", loaded.errno, `BPF_PROG_LOAD fib_question ${loaded.log}`);
}
