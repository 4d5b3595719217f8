/** Counting how often programs run and how long they take (Linux 5.8). It costs each run some nanoseconds, so it is on only while asked for. */
import { bpf } from "./bpf-call.ts";
import { Fd } from "./fd.ts";

const BPF_STATS_RUN_TIME = 0;

/** Statistics of all programs are on for as long as the descriptor is open. @throws SyscallError */
export function enableStatistics(): Fd<"file"> {
  return new Fd("file", bpf("ENABLE_STATS", { type: BPF_STATS_RUN_TIME }).result);
}
