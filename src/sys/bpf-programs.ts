/** The program commands of bpf(2): load with BTF, line info and verifier log; test run; binding maps. */
import { bpf, tryBpf } from "./bpf-call.ts";
import { BPF } from "./bpf-constants.ts";
import { cString } from "./c-string.ts";
import { SyscallError } from "./errno.ts";
import { type BtfFd, Fd, type MapFd, type ProgramFd } from "./fd.ts";

export interface ProgramLoad {
  /** At most 15 bytes; see `kernelName`. */
  name: string;
  /** `enum bpf_prog_type`. */
  type: number;
  /** `enum bpf_attach_type`. */
  expectedAttachType: number;
  /** Of programs for tracing: the kernel's type that they are attached to. */
  attachBtfId?: number;
  flags: number;
  /** The device that it is loaded for; 0 or left out for any. */
  ifindex?: number;
  license: string;
  /** Encoded instructions, 8 bytes a slot, references resolved. */
  instructions: Uint8Array;
  btf?: {
    fd: BtfFd;
    /** `struct bpf_func_info` records of 8 bytes. */
    funcInfo: Uint8Array;
    /** `struct bpf_line_info` records of 16 bytes. */
    lineInfo: Uint8Array;
  };
}

export interface LoadFailure {
  errno: number;
  /** The verifier's log at level 2; "" when the kernel refused before the verifier looked. */
  log: string;
}

const FUNC_INFO_SIZE = 8;
const LINE_INFO_SIZE = 16;
const E2BIG = 7;
const EAGAIN = 11;
/** As libbpf: how often the verifier may be interrupted by a signal and begin anew. */
const LOAD_ATTEMPTS = 5;
const ENOSPC = 28;
const BTF_LOG_BYTES = 1 << 20;
/**
 * What to try until the log fits. Level 2 shows the state at every instruction. A log of 16 MiB and more comes from a program that is
 * too complex; then level 1 has to do, which is shorter.
 */
const LOGS = [
  { level: 2, bytes: 1 << 18 },
  { level: 2, bytes: 1 << 21 },
  { level: 2, bytes: 1 << 24 },
  { level: 1, bytes: 1 << 26 },
] as const;
/**
 * A program that the verifier gave up on after a million instructions: walking it again takes seconds, and every state on the way
 * says nothing more. Level 4 gives the verdict and the counts only.
 */
const LOGS_OF_TOO_LARGE = [{ level: 4, bytes: 1 << 16 }] as const;

/**
 * Loads a program. The log is asked for only after a failure, because it slows the verifier down; its buffer grows until the whole
 * log fits.
 */
export function programLoad(program: ProgramLoad): ProgramFd | LoadFailure {
  const quiet = attempt(program, 0, null);
  if (quiet >= 0) return new Fd("program", quiet);
  let log = "";
  for (const { level, bytes } of quiet === -E2BIG ? LOGS_OF_TOO_LARGE : LOGS) {
    const buffer = new Uint8Array(bytes);
    const result = attempt(program, level, buffer);
    // The first failure was not the program's (memory, a signal).
    if (result >= 0) return new Fd("program", result);
    log = text(buffer);
    if (result !== -ENOSPC) return { errno: -result, log };
  }
  return { errno: -quiet, log };
}

function attempt(program: ProgramLoad, logLevel: number, log: Uint8Array | null): number {
  let result = -EAGAIN;
  for (let tries = 0; tries < LOAD_ATTEMPTS && result === -EAGAIN; tries++) result = loadOnce(program, logLevel, log);
  return result;
}

function loadOnce(program: ProgramLoad, logLevel: number, log: Uint8Array | null): number {
  const { btf } = program;
  return tryBpf("PROG_LOAD", {
    prog_type: program.type,
    expected_attach_type: program.expectedAttachType,
    attach_btf_id: program.attachBtfId ?? 0,
    prog_flags: program.flags,
    prog_ifindex: program.ifindex ?? 0,
    prog_name: program.name,
    insn_cnt: program.instructions.length / 8,
    insns: program.instructions,
    license: cString(program.license),
    log_level: logLevel,
    log_size: log?.length ?? 0,
    log_buf: log,
    ...(btf && {
      prog_btf_fd: btf.fd.number,
      func_info_rec_size: FUNC_INFO_SIZE,
      func_info: btf.funcInfo,
      func_info_cnt: btf.funcInfo.length / FUNC_INFO_SIZE,
      line_info_rec_size: LINE_INFO_SIZE,
      line_info: btf.lineInfo,
      line_info_cnt: btf.lineInfo.length / LINE_INFO_SIZE,
    }),
  }).result;
}

function text(buffer: Uint8Array): string {
  const end = buffer.indexOf(0);
  return new TextDecoder().decode(end < 0 ? buffer : buffer.subarray(0, end));
}

/**
 * Loads BTF and returns its descriptor, or the errno and the kernel's log.
 */
export function btfLoad(btf: Uint8Array): BtfFd | LoadFailure {
  const { result } = tryBpf("BTF_LOAD", { btf, btf_size: btf.length });
  if (result >= 0) return new Fd("btf", result);
  const log = new Uint8Array(BTF_LOG_BYTES);
  const again = tryBpf("BTF_LOAD", {
    btf,
    btf_size: btf.length,
    btf_log_buf: log,
    btf_log_size: log.length,
    btf_log_level: 1,
  });
  if (again.result >= 0) return new Fd("btf", again.result);
  return { errno: -result, log: text(log) };
}

export interface TestRun {
  program: ProgramFd;
  /** The frame, from the Ethernet header on; with metadata in front of it when the context says so. */
  packet: Uint8Array;
  /** How often to run; the packet is not restored in between. */
  repeat: number;
  /** The kernel's context structure, `struct xdp_md` or `struct __sk_buff`. */
  context?: Uint8Array;
  /** BPF_F_TEST_*. */
  flags?: number;
  /** Of live frames: how many are handled at once, at most 256; 0 for the kernel's choice. */
  batchSize?: number;
}

export interface TestRunResult {
  /** What the program returned; 0 for live frames. */
  value: number;
  /** Empty for live frames. */
  packet: Uint8Array;
  /** The context after the run; empty when none was given, and for live frames. */
  context: Uint8Array;
  /** Nanoseconds per run, rounded down by the kernel. */
  duration: number;
}

/** More than any program can make a packet grow by, so that the answer always fits: socket buffers to 64 KiB, frames by what their last page holds. */
const GROWTH = 0x1_1000;
/** Where the kernel puts packets that come back; it grows with the longest that is given. */
let answers = new Uint8Array();

/** Runs a program on a packet without a device. @throws SyscallError */
export function programTestRun(run: TestRun): TestRunResult {
  const { program, packet, repeat, context, flags = 0, batchSize = 0 } = run;
  // Live frames do not come back, and the kernel refuses to be asked for them.
  const comesBack = (flags & BPF.BPF_F_TEST_XDP_LIVE_FRAMES) === 0;
  if (comesBack && answers.length < packet.length + GROWTH) answers = new Uint8Array(packet.length + GROWTH);
  const contextOut = new Uint8Array(comesBack ? (context?.length ?? 0) : 0);
  const answer = tryBpf("PROG_TEST_RUN", {
    prog_fd: program.number,
    data_in: packet,
    data_size_in: packet.length,
    repeat,
    flags,
    batch_size: batchSize,
    ...(comesBack && { data_out: answers, data_size_out: answers.length }),
    ...(context && { ctx_in: context, ctx_size_in: context.length }),
    ...(context && comesBack && { ctx_out: contextOut, ctx_size_out: contextOut.length }),
  });
  if (answer.result < 0) throw new SyscallError("bpf", -answer.result, "BPF_PROG_TEST_RUN");
  return {
    value: answer.read("retval"),
    packet: answers.slice(0, comesBack ? answer.read("data_size_out") : 0),
    context: contextOut,
    duration: answer.read("duration"),
  };
}

/** Ties a map's life to a program that does not mention it (Linux 5.10). @throws SyscallError */
export function programBindMap(program: ProgramFd, map: MapFd): void {
  bpf("PROG_BIND_MAP", { prog_fd: program.number, map_fd: map.number });
}
