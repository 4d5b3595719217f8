/**
 * What programs say with `trace`, as it comes (bpf_trace_printk, the kernel's trace_pipe). Each line goes to one reader only, whoever reads
 * first, so the kernel lets in one reader at a time (Linux 6.7).
 *
 * The pipe is read without waiting, 20 times a second: the kernel tells a waiting event loop of new lines only when a part of the buffer
 * has filled up, and a reader that really waits would block a thread that nobody can wake.
 */
import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync, readSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { WirescriptError } from "../errors.ts";
import { processesThat } from "../sys/processes.ts";
import { ensureTracefs } from "../sys/tracefs.ts";

export interface TraceLine {
  /** Seconds of the trace's clock, usually since boot. */
  at: number;
  cpu: number;
  /** What ran when the packet came; "<idle>" often. */
  task: string;
  pid: number;
  /** "bpf_trace_printk", or the tracer that somebody else has switched on. */
  event: string;
  message: string;
}

/** Lines that the kernel threw away because nobody read them in time. */
export interface LostLines {
  cpu: number;
  lost: number;
}

export interface Trace {
  /** Where tracefs is. */
  path: string;
  /** Whether it was mounted for this; it stays mounted. */
  mounted: boolean;
  /** Whether the recording of what programs say had to be switched on; it stays on. */
  switchedOn: boolean;
  /** Ends when the signal is aborted; with `follow: false` when all that is there has been read. */
  lines(options?: { follow?: boolean; signal?: AbortSignal }): AsyncGenerator<TraceLine | LostLines, void>;
  close(): void;
}

const PERIOD = 50;
const BUFFER_BYTES = 1 << 16;

/** Opens the kernel's trace. @throws WirescriptError NO_PRIVILEGES, UNSUPPORTED_SYSTEM, DEVICE_BUSY when somebody else reads it. */
export function openTrace(): Trace {
  const { path, mounted } = ensureTracefs();
  const switchedOn = switchOn(path);
  const fd = openPipe(`${path}/trace_pipe`);
  return {
    path,
    mounted,
    switchedOn,
    close: () => closeSync(fd),
    async *lines({ follow = true, signal } = {}) {
      const buffer = Buffer.alloc(BUFFER_BYTES);
      let rest = "";
      while (signal?.aborted !== true) {
        const length = readAvailable(fd, buffer);
        if (length > 0) {
          const parts = (rest + buffer.toString("utf8", 0, length)).split("\n");
          rest = parts.pop() ?? "";
          for (const part of parts) {
            const line = parseTraceLine(part);
            if (line !== null) yield line;
          }
        } else if (!follow) return;
        else await pause(PERIOD, undefined, { ...(signal && { signal }) }).catch(() => {});
      }
    },
  };
}

/** Null for lines that are neither. */
export function parseTraceLine(text: string): TraceLine | LostLines | null {
  const lost = /^CPU:(\d+) \[LOST (\d+) EVENTS\]/.exec(text);
  if (lost !== null) return { cpu: Number(lost[1]), lost: Number(lost[2]) };
  // "          <idle>-0     [001] ..s2.  1234.567890: bpf_trace_printk: text"; the thread group in parentheses is an option of tracefs.
  const line = /^\s*(.+)-(\d+)\s+(?:\(.{0,8}\)\s+)?\[(\d+)\]\s+\S+\s+(\d+\.?\d*): ([^\s:]+): (.*)$/.exec(text);
  if (line === null) return null;
  const [, task = "", pid, cpu, at, event = "", message = ""] = line;
  return { at: Number(at), cpu: Number(cpu), task, pid: Number(pid), event, message };
}

/** The kernel switches it on when a program that traces is loaded; somebody may have switched it off. */
function switchOn(path: string): boolean {
  let changed = false;
  for (const file of [`${path}/events/bpf_trace/bpf_trace_printk/enable`, `${path}/tracing_on`]) {
    try {
      if (!readFileSync(file, "utf8").startsWith("0")) continue;
      writeFileSync(file, "1");
      changed = true;
    } catch {
      // Older kernels write without that event.
    }
  }
  return changed;
}

function openPipe(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "EBUSY") {
      const readers = readersOfPipe();
      throw new WirescriptError({
        code: "DEVICE_BUSY",
        what: "The kernel's trace is being read by somebody else.",
        why: `${path} has one reader at a time${readers.length === 0 ? "" : `, now ${readers.join(", ")}`}: each line goes to one only.`,
        fix: "End the other reader (wirescript trace, bpftool prog tracelog, cat trace_pipe), then run this again.",
        cause,
      });
    }
    if (code !== "EACCES" && code !== "EPERM") throw cause;
    throw new WirescriptError({
      code: "NO_PRIVILEGES",
      what: `${path} cannot be read.`,
      why: `${message}; the kernel may be locked down.`,
      fix: "Run as root; see /sys/kernel/security/lockdown.",
      cause,
    });
  }
}

/** "process 42 (cat)" for each that has the pipe open, this one left out. */
function readersOfPipe(): string[] {
  const readers = processesThat(
    (pid) =>
      pid !== process.pid &&
      readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).endsWith("/trace_pipe")),
  );
  return readers.map(({ pid, command }) => `process ${pid} (${command})`);
}

/** 0 when nothing is there. */
function readAvailable(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
    throw error;
  }
}
