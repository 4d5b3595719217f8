/**
 * The only place that calls foreign functions. Everything the project asks of the operating system goes through `syscall`, by
 * number, so that no library but libc is needed and every failure comes back as a `SyscallError` with its errno.
 */
import { createRequire } from "node:module";
import { WirescriptError } from "../errors.ts";
import { SyscallError } from "./errno.ts";
import { type SyscallName, syscallNumber } from "./numbers.ts";

/** A number, an address, or memory whose address is passed. */
export type Argument = number | bigint | Uint8Array | null;

interface Libc {
  syscall(number: number, ...args: (number | bigint)[]): number | bigint;
  syscallInBackground(
    done: (error: unknown, result: number | bigint) => void,
    number: number,
    ...args: (number | bigint)[]
  ): void;
  errno(): number;
  addressOf(memory: Uint8Array): bigint;
  view(address: bigint, length: number): ArrayBuffer;
  poll(fd: number, onReadable: () => void): PollHandle;
}

/** Part of Node's event loop: calls back for as long as the descriptor is readable. */
export interface PollHandle {
  ref(): void;
  unref(): void;
  /** No other method may be called afterwards. */
  close(): void;
}

let libc: Libc | null = null;

/** Loads libc on first use, so that importing the library on another system is harmless. */
function open(): Libc {
  if (libc !== null) return libc;
  if (process.platform !== "linux") {
    throw new WirescriptError({
      code: "UNSUPPORTED_SYSTEM",
      what: `Wirescript cannot talk to the kernel of ${process.platform}.`,
      why: "XDP and eBPF programs run in the Linux kernel.",
      fix: "Run this on Linux 5.15 or newer, x86-64 or arm64. Compiling and checking work here too.",
    });
  }
  // koffi is CommonJS and holds a native addon: loaded by require, and only when needed.
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const syscall = koffi
    .load(null)
    .func("intptr_t syscall(intptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)");
  libc = {
    syscall: (number, ...args) => syscall(number, ...args) as number | bigint,
    syscallInBackground: (done, number, ...args) => syscall.async(number, ...args, done),
    errno: () => koffi.errno(),
    addressOf: (memory) => koffi.address(memory),
    view: (address, length) => koffi.view(address, length),
    poll: (fd, onReadable) => koffi.node.poll(fd, onReadable),
  };
  return libc;
}

/**
 * Calls the kernel; unused arguments are 0. The result fits a number for every call this project makes but mmap, whose address
 * `mapMemory` handles.
 *
 * @throws SyscallError when the kernel answers -1.
 */
export function syscall(name: SyscallName, ...args: Argument[]): number {
  return Number(rawSyscall(name, args));
}

/** As `syscall`, for calls whose failure is an everyday answer: returns the negative errno instead of throwing. */
export function syscallResult(name: SyscallName, ...args: Argument[]): number {
  const result = invoke(name, args);
  return result === -1 || result === -1n ? -open().errno() : Number(result);
}

/** Memory whose addresses the kernel has while a call runs in the background. */
const lent = new Set<Argument[]>();

/**
 * As `syscall`, on another thread, for calls that the kernel lets wait: the event loop goes on. Says only whether it succeeded, because errno is that thread's; who wants to
 * know more calls again by `syscall`. Nothing may write to the memory meanwhile.
 */
export function succeedsInBackground(name: SyscallName, ...args: Argument[]): Promise<boolean> {
  const words: (number | bigint)[] = args.map(word);
  while (words.length < 6) words.push(0);
  lent.add(args);
  return new Promise((resolve, reject) => {
    open().syscallInBackground(
      (error, result) => {
        lent.delete(args);
        if (error) reject(error);
        else resolve(Number(result) >= 0);
      },
      syscallNumber(name),
      ...words,
    );
  });
}

function rawSyscall(name: SyscallName, args: Argument[]): bigint {
  const result = invoke(name, args);
  if (result === -1 || result === -1n) throw new SyscallError(name, open().errno());
  return BigInt(result);
}

function invoke(name: SyscallName, args: Argument[]): number | bigint {
  const words: (number | bigint)[] = args.map(word);
  while (words.length < 6) words.push(0);
  return open().syscall(syscallNumber(name), ...words);
}

function word(argument: Argument): number | bigint {
  if (argument === null) return 0;
  if (argument instanceof Uint8Array) return addressOf(argument);
  return argument;
}

/**
 * The address of `memory`'s first byte. The caller keeps `memory` referenced for as long as the kernel may use the address.
 * Takes memory of any size; an empty array has no address and gives 0.
 */
export function addressOf(memory: Uint8Array): bigint {
  return memory.length === 0 ? 0n : open().addressOf(memory);
}

/** Maps `length` bytes of `fd` from `offset` (mmap(2)) and returns them as memory, with the address for `munmap`. */
export function mapMemory(
  fd: number,
  length: number,
  protection: number,
  flags: number,
  offset = 0,
): { address: bigint; memory: Uint8Array } {
  const address = rawSyscall("mmap", [0, length, protection, flags, fd, offset]);
  return { address, memory: new Uint8Array(open().view(address, length)) };
}

/** Takes back what `mapMemory` gave. Nothing may touch that memory afterwards: the process would die of it. */
export function unmapMemory(address: bigint, length: number): void {
  rawSyscall("munmap", [address, length]);
}

/**
 * Has Node's event loop watch a descriptor that epoll takes; `onReadable` is called in the middle of the loop, where promises do not go on
 * and errors have no place to go. `readiness.ts` is what the rest of the project uses.
 */
export function pollReadable(fd: number, onReadable: () => void): PollHandle {
  return open().poll(fd, onReadable);
}
