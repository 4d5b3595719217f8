/**
 * Perf events as programs use them: one software event for each CPU, into whose buffer `bpf_perf_event_output` writes. Numbers and layouts
 * of linux/perf_event.h, checked against the C headers by a test.
 */
import { Fd } from "./fd.ts";
import { syscall } from "./ffi.ts";

export const PERF = {
  PERF_TYPE_SOFTWARE: 1,
  PERF_COUNT_SW_BPF_OUTPUT: 10,
  PERF_SAMPLE_RAW: 1 << 10,
  PERF_FLAG_FD_CLOEXEC: 1 << 3,
  PERF_EVENT_IOC_ENABLE: 0x2400,
  PERF_RECORD_LOST: 2,
  PERF_RECORD_SAMPLE: 9,
} as const;

/** Bytes. */
export const PERF_SIZE = { perf_event_header: 8 } as const;

/** Offsets in bytes. */
export const PERF_FIELDS = {
  perf_event_attr: { type: 0, size: 4, config: 8, sample_period: 16, sample_type: 24, wakeup_events: 48 },
  perf_event_mmap_page: { data_head: 1024, data_tail: 1032, data_offset: 1040, data_size: 1048 },
  perf_event_header: { type: 0, misc: 4, size: 6 },
} as const;

/** PERF_ATTR_SIZE_VER0: the first version had all that is needed here. */
const ATTR_SIZE = 64;

/**
 * Opens the event of one CPU, not yet enabled; `wakeUpEvents` is how many records come before a reader is woken.
 *
 * @throws SyscallError EACCES or EPERM without CAP_PERFMON, ENODEV for a CPU that is offline.
 */
export function openBpfOutput(cpu: number, wakeUpEvents: number): Fd<"file"> {
  const attributes = new Uint8Array(ATTR_SIZE);
  const view = new DataView(attributes.buffer);
  const at = PERF_FIELDS.perf_event_attr;
  view.setUint32(at.type, PERF.PERF_TYPE_SOFTWARE, true);
  view.setUint32(at.size, ATTR_SIZE, true);
  view.setBigUint64(at.config, BigInt(PERF.PERF_COUNT_SW_BPF_OUTPUT), true);
  view.setBigUint64(at.sample_period, 1n, true);
  view.setBigUint64(at.sample_type, BigInt(PERF.PERF_SAMPLE_RAW), true);
  view.setUint32(at.wakeup_events, wakeUpEvents, true);
  return new Fd("file", syscall("perf_event_open", attributes, -1, cpu, -1, PERF.PERF_FLAG_FD_CLOEXEC));
}

/** From here on programs' output arrives. @throws SyscallError */
export function enablePerfEvent(fd: Fd<"file">): void {
  syscall("ioctl", fd.number, PERF.PERF_EVENT_IOC_ENABLE, 0);
}
