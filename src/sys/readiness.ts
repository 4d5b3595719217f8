/**
 * Waits for descriptors without blocking Node's event loop, without a thread and without asking again and again: an epoll instance gathers
 * them, and the event loop watches that one descriptor.
 *
 * Edge-triggered: the kernel calls a ring buffer readable from the moment a record is reserved, so asking whether it *is* readable would
 * spin until the record is complete; an edge comes when something is there to be read. Whoever is told must therefore read everything that
 * is there before waiting again.
 *
 * The event loop watches from the first `wait` to `close` without a break: asking a perf event whether it is readable takes the answer away,
 * and whenever a watch begins, the kernel asks once for nobody.
 */
import { type PollHandle, pollReadable, syscall, syscallResult } from "./ffi.ts";

/** linux/eventpoll.h; checked against the C headers by a test. */
export const EPOLL = {
  EPOLL_CLOEXEC: 0o2000000,
  EPOLL_CTL_ADD: 1,
  EPOLLIN: 1,
  EPOLLET: 1 << 31,
} as const;

/** `struct epoll_event` is packed on x86-64 and nowhere else. */
export const EPOLL_EVENT_SIZE = process.arch === "x64" ? 12 : 16;

export class Readiness implements Disposable {
  readonly #epoll: number;
  readonly #events: Uint8Array;
  readonly #capacity: number;
  #handle: PollHandle | null = null;
  #waiting: (() => void) | null = null;
  #referenced = true;
  /** There was an edge that nobody was told of. */
  #missed = false;
  #open = true;

  /** Watches `fds`, which stay the caller's and must be open until this is closed. @throws SyscallError */
  constructor(fds: readonly number[]) {
    this.#capacity = Math.max(1, fds.length);
    this.#events = new Uint8Array(this.#capacity * EPOLL_EVENT_SIZE);
    this.#epoll = syscall("epoll_create1", EPOLL.EPOLL_CLOEXEC);
    try {
      for (const fd of fds) {
        const event = new Uint8Array(EPOLL_EVENT_SIZE);
        new DataView(event.buffer).setUint32(0, (EPOLL.EPOLLIN | EPOLL.EPOLLET) >>> 0, true);
        syscall("epoll_ctl", this.#epoll, EPOLL.EPOLL_CTL_ADD, fd, event);
      }
    } catch (error) {
      syscall("close", this.#epoll);
      throw error;
    }
  }

  /**
   * Calls `onReadable` once, in a turn of the event loop of its own, when a descriptor has become readable since the last time; the first time
   * in any case. A second call while one is waiting takes its place. Keeps the process alive meanwhile, unless `unref` was called.
   */
  wait(onReadable: () => void): void {
    if (!this.#open) return;
    this.#waiting = onReadable;
    if (this.#handle === null) {
      this.#handle = pollReadable(this.#epoll, this.#onEdge);
      // Two turns later the loop watches for sure, and what it has missed is there.
      setImmediate(() => setImmediate(this.#tell));
    } else if (this.#missed) {
      this.#missed = false;
      setImmediate(this.#tell);
    }
    this.#apply();
  }

  /** Forgets the callback of `wait`. What becomes readable meanwhile is told at the next `wait`. */
  cancel(): void {
    this.#waiting = null;
    this.#apply();
  }

  readonly #onEdge = (): void => {
    // Takes note of the edges, so that the instance is readable again only after the next one.
    syscallResult("epoll_pwait", this.#epoll, this.#events, this.#capacity, 0, null, 8);
    if (this.#waiting === null) this.#missed = true;
    // In a turn of its own, where promises go on and errors are reported as everywhere.
    else setImmediate(this.#tell);
  };

  readonly #tell = (): void => {
    const onReadable = this.#waiting;
    this.#waiting = null;
    this.#missed = onReadable === null;
    this.#apply();
    onReadable?.();
  };

  /** The process stays alive while it waits here (the default). */
  ref(): void {
    this.#referenced = true;
    this.#apply();
  }

  /** The process may end while it waits here, if it has nothing else to do. */
  unref(): void {
    this.#referenced = false;
    this.#apply();
  }

  #apply(): void {
    if (this.#referenced && this.#waiting !== null) this.#handle?.ref();
    else this.#handle?.unref();
  }

  /** Stops waiting: the callback is not called any more. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#waiting = null;
    this.#handle?.close();
    this.#handle = null;
    syscall("close", this.#epoll);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
