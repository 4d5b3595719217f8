/** System call numbers, the one thing that differs between the two architectures. Source: asm/unistd_64.h, asm-generic/unistd.h. */
import { WirescriptError } from "../errors.ts";

/** name: [x86-64, arm64] */
const NUMBERS = {
  close: [3, 57],
  ppoll: [271, 73],
  mmap: [9, 222],
  munmap: [11, 215],
  ioctl: [16, 29],
  socket: [41, 198],
  connect: [42, 203],
  sendto: [44, 206],
  recvfrom: [45, 207],
  bind: [49, 200],
  getsockname: [51, 204],
  setsockopt: [54, 208],
  mount: [165, 40],
  umount2: [166, 39],
  gettid: [186, 178],
  epoll_ctl: [233, 21],
  openat: [257, 56],
  epoll_pwait: [281, 22],
  epoll_create1: [291, 20],
  perf_event_open: [298, 241],
  unshare: [272, 97],
  setns: [308, 268],
  bpf: [321, 280],
  statfs: [137, 43],
  flock: [73, 32],
  fchdir: [81, 50],
  chroot: [161, 51],
  sched_setaffinity: [203, 122],
  sched_getaffinity: [204, 123],
} as const satisfies Record<string, readonly [number, number]>;

export type SyscallName = keyof typeof NUMBERS;

export function syscallNumber(name: SyscallName): number {
  const [x64, arm64] = NUMBERS[name];
  if (process.arch === "x64") return x64;
  if (process.arch === "arm64") return arm64;
  throw new WirescriptError({
    code: "UNSUPPORTED_SYSTEM",
    what: `Wirescript does not know the system calls of ${process.arch}.`,
    why: "It carries the numbers of x86-64 and arm64 only.",
    fix: "Run it on one of these.",
  });
}
