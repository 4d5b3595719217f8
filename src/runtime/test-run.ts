/**
 * Runs a program on a packet, without any device and without any other traffic (BPF_PROG_TEST_RUN): the packet comes back, with the
 * verdict. "Live" runs are the opposite for XDP: the packet really goes where the program sends it.
 */
import { withArticle } from "../article.ts";
import type { ProgramType } from "../object/spec.ts";
import { BPF, type ProgramFd, programTestRun } from "../sys/bpf.ts";
import { onCpu } from "../sys/cpu-affinity.ts";
import { isErrno } from "../sys/errno.ts";
import {
  decodeContext,
  encodeContext,
  metadataLength,
  type SkbTestContext,
  type TestContext,
  unknownFields,
  type XdpTestContext,
} from "./test-context.ts";
import { testRunRefused, unusable } from "./test-run-failure.ts";
import { verdictName } from "./verdict.ts";

export interface RunOptions {
  /** How often to run, for measuring; the packet is not restored in between. Default 1. */
  repeat?: number;
  /** What the program sees in its context besides the packet: fields of `struct xdp_md`, or of `struct __sk_buff` for a TC program. */
  context?: TestContext;
  /** Run on this CPU, which decides what a program sees in per-CPU maps. Default: where this thread happens to be. */
  cpu?: number;
  /** For a TC program: the packet's checksum counts as computed by the card (CHECKSUM_COMPLETE), and is checked to be right afterwards (Linux 6.13). */
  checksum?: boolean;
}

export interface LiveRunOptions {
  /**
   * The packet is real: XDP_TX sends it out of the context's ingress interface, XDP_REDIRECT where the program says, XDP_PASS gives it to the
   * network stack as if the ingress interface had received it. XDP only (Linux 5.18).
   */
  live: true;
  /** How many packets; each starts as the given one. Default 1. */
  repeat?: number;
  /** How many are handled at once, 1 to 256. Default 64. */
  batchSize?: number;
  /** `ingressIfindex` is the interface that the packets come from; the loopback device when it is left out. */
  context?: XdpTestContext;
  /** Run on this CPU. */
  cpu?: number;
}

export interface RunResult {
  /** What the program returned: an action such as XDP_PASS or TC_ACT_OK. */
  action: number;
  /** Its name: "XDP_PASS", "TC_ACT_OK"; the number when it has none. */
  verdict: string;
  /** The packet as the program left it. */
  packet: Uint8Array;
  /** Nanoseconds per run, as the kernel measured it: an average when `repeat` is large. */
  duration: number;
  /** The context's fields as the program left them: of a TC program always, of an XDP program, which cannot write them, when a context was given. */
  context?: TestContext;
  /** The metadata that stands in front of the packet now, when there is any. */
  meta?: Uint8Array;
}

/** Live packets do not come back: what became of them is to be seen on devices and in maps. */
export interface LiveRunResult {
  /** How many packets the program saw. */
  runs: number;
  /** Nanoseconds per packet, sending included. */
  duration: number;
}

/** A program as far as running it needs it. */
export interface Runnable {
  readonly name: string;
  readonly type: ProgramType;
  readonly fd: ProgramFd;
}

/** What the kernel lets a repetition count be. */
const MOST_REPEATS = 0xffff_ffff;

/** @throws WirescriptError USAGE when the kernel does not run it like this, with what is wrong about the packet, context or CPU. */
export function testRun(program: Runnable, packet: Uint8Array, options: RunOptions): RunResult {
  const { repeat = 1, context, cpu, checksum = false } = options;
  check(program, options, repeat);
  if (checksum && program.type === "xdp") {
    throw unusable(
      program,
      "a checksum in its context",
      "XDP programs run before anybody has computed one.",
      "Leave out `checksum`.",
    );
  }
  const isXdp = program.type === "xdp";
  // Without one the kernel gives none back: what a TC program wrote, and where metadata ends that an XDP program put in front of the packet.
  const contextIn = encodeContext(program.type, packet.length, context ?? {});
  const result = attempt(program, packet, options, cpu, () =>
    programTestRun({
      program: program.fd,
      packet: withMetadata(packet, context),
      repeat,
      context: contextIn,
      flags: checksum ? BPF.BPF_F_TEST_SKB_CHECKSUM_COMPLETE : 0,
    }),
  );
  // TC_ACT_UNSPEC is -1.
  const action = isXdp ? result.value : result.value | 0;
  const metadata = isXdp ? metadataLength(result.context) : 0;
  return {
    action,
    verdict: verdictName(program.type, action),
    packet: result.packet.subarray(metadata),
    duration: result.duration,
    ...((context !== undefined || !isXdp) && { context: decodeContext(program.type, result.context) }),
    ...(metadata > 0 && { meta: result.packet.subarray(0, metadata) }),
  };
}

/** @throws WirescriptError USAGE as `testRun`, and for a TC program. */
export function liveRun(program: Runnable, packet: Uint8Array, options: LiveRunOptions): LiveRunResult {
  const { repeat = 1, batchSize = 0, context = {}, cpu } = options;
  if (program.type !== "xdp") {
    throw unusable(
      program,
      "live packets",
      "Only XDP programs run on them; the kernel has nothing like it for TC.",
      "Leave out `live`.",
    );
  }
  check(program, options, repeat);
  if (!Number.isInteger(batchSize) || batchSize < 0 || batchSize > 256) {
    throw unusable(
      program,
      `batches of ${batchSize}`,
      "The kernel handles 1 to 256 live packets at once.",
      "Give such a batchSize, or none.",
    );
  }
  const result = attempt(program, packet, options, cpu, () =>
    programTestRun({
      program: program.fd,
      packet: withMetadata(packet, context),
      repeat,
      context: encodeContext("xdp", packet.length, context),
      flags: BPF.BPF_F_TEST_XDP_LIVE_FRAMES,
      batchSize,
    }),
  );
  return { runs: repeat, duration: result.duration };
}

function check(program: Runnable, { context }: { context?: XdpTestContext | SkbTestContext }, repeat: number): void {
  if (!Number.isInteger(repeat) || repeat < 1 || repeat > MOST_REPEATS) {
    throw unusable(
      program,
      `${repeat} repetitions`,
      "The kernel counts them in 32 bits.",
      `Give a whole number from 1 to ${MOST_REPEATS}.`,
    );
  }
  const [unknown] = unknownFields(program.type, context ?? {});
  if (unknown === undefined) return;
  throw unusable(
    program,
    `this context: it has no field "${unknown}"`,
    `It is ${withArticle(program.type)} program.`,
    "Give only fields that its context has.",
  );
}

function attempt<Result>(
  program: Runnable,
  packet: Uint8Array,
  options: RunOptions | LiveRunOptions,
  cpu: number | undefined,
  work: () => Result,
): Result {
  try {
    return cpu === undefined ? work() : onCpu(cpu, work);
  } catch (error) {
    if (isErrno(error, "EINVAL", "E2BIG", "ENOMEM", "ENODEV", "ENXIO", "EBADMSG", "ENOTSUPP", "EOPNOTSUPP")) {
      throw testRunRefused(program, packet, options, error);
    }
    throw error;
  }
}

function withMetadata(packet: Uint8Array, context: XdpTestContext | undefined): Uint8Array {
  const meta = context?.meta;
  if (meta === undefined || meta.length === 0) return packet;
  const whole = new Uint8Array(meta.length + packet.length);
  whole.set(meta);
  whole.set(packet, meta.length);
  return whole;
}
