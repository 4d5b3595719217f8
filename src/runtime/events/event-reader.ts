/**
 * Reads events at the consumer's pace: an event leaves the kernel's buffer when it is handed out, so a slow consumer makes the buffer fill up,
 * and the program in the kernel learns that there is no room; nothing piles up in JavaScript. Waiting takes no thread and does not block the
 * event loop; while events come faster than they are consumed, the loop gets its turn every few milliseconds.
 */
import { WirescriptError } from "../../errors.ts";
import { Readiness } from "../../sys/readiness.ts";
import type { EventSource } from "./event-source.ts";

/** How long events are handed out before other work has its turn. */
const TURN_MS = 8;
/** Events between two looks at the clock. */
const PACE = 256;

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(reason: unknown): void;
}

export class EventReader<T> implements AsyncIterableIterator<T, undefined>, Disposable, AsyncDisposable {
  readonly #source: EventSource<T>;
  readonly #what: string;
  readonly #signal: AbortSignal | undefined;
  readonly #onClose: () => void;
  readonly #waiters: Waiter<T>[] = [];
  #readiness: Readiness | null = null;
  #referenced = true;
  #listening = false;
  #closed = false;
  #received = 0;
  #taken: { event: T } | null = null;
  #sinceClock = 0;
  #turnBegan = 0;

  /** Takes ownership of `source`. `what` names it in messages. */
  constructor(source: EventSource<T>, what: string, signal: AbortSignal | undefined, onClose: () => void) {
    this.#source = source;
    this.#what = what;
    this.#signal = signal;
    this.#onClose = onClose;
    if (signal?.aborted) this.close();
    else signal?.addEventListener("abort", this.#end, { once: true });
  }

  /** Events that were handed out so far. */
  get received(): number {
    return this.#received;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Calls `onEvent` for each event from now on, the fastest way to read them. What it throws is thrown in a turn of the event loop of its own,
   * as from any callback; the event counts as read. Ends with `close` or the signal.
   *
   * @throws WirescriptError USAGE when somebody listens already, or it is closed.
   */
  listen(onEvent: (event: T) => void): this {
    if (this.#closed) throw this.#misused("It is closed.", "Open a new reader.");
    this.#mustNotListen();
    this.#listening = true;
    const deliver = (event: T) => {
      this.#received++;
      onEvent(event);
    };
    const turn = () => {
      if (this.#closed) return;
      const until = performance.now() + TURN_MS;
      let more = true;
      try {
        do more = this.#source.read(deliver, PACE) === PACE;
        while (more && !this.#closed && performance.now() < until);
      } finally {
        // Also after an error in `onEvent`, which does not end the reading.
        if (this.#source.closed) this.close();
        this.#goOn(turn, more);
      }
    };
    // Not at once: the caller gets to know this reader first.
    setImmediate(turn);
    return this;
  }

  #goOn(turn: () => void, more: boolean): void {
    if (this.#closed) return;
    this.#source.release();
    if (more) setImmediate(turn);
    else this.#wait(turn);
  }

  /**
   * Takes out the events that are there now, `limit` at most, without waiting. Returns how many.
   *
   * @throws WirescriptError USAGE when it is closed, or somebody listens; what `onEvent` throws.
   */
  drain(onEvent: (event: T) => void, limit = Number.POSITIVE_INFINITY): number {
    if (this.#closed) throw this.#misused("It is closed.", "Open a new reader.");
    this.#mustNotListen();
    let count = 0;
    try {
      for (;;) {
        const wanted = Math.min(limit - count, PACE);
        const got = this.#source.read((event) => {
          this.#received++;
          count++;
          onEvent(event);
        }, wanted);
        if (got !== wanted || count >= limit || this.#closed) return count;
      }
    } finally {
      if (this.#source.closed) this.close();
      else this.#source.release();
    }
  }

  /**
   * The next event, as soon as there is one; `done` when the reader was closed, or its signal aborted. Rejects with a WirescriptError
   * (MAP), which closes the reader, for a record that is not of the expected type.
   */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#closed) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#mustNotListen();
      if (this.#waiters.length === 0) {
        if (++this.#sinceClock >= PACE && this.#isTimeForOthers()) {
          this.#waiters.push({ resolve, reject });
          setImmediate(this.#serve);
          return;
        }
        let taken: { event: T } | null;
        try {
          taken = this.#take();
        } catch (error) {
          // As in a generator, an error ends the iteration: `for await` does not close what has failed.
          this.close();
          throw error;
        }
        if (taken !== null) {
          resolve({ value: taken.event, done: false });
          return;
        }
        this.#wait(this.#serve);
      }
      this.#waiters.push({ resolve, reject });
    });
  }

  #isTimeForOthers(): boolean {
    this.#sinceClock = 0;
    const now = performance.now();
    if (now - this.#turnBegan < TURN_MS) return false;
    this.#turnBegan = now;
    this.#source.release();
    return true;
  }

  #take(): { event: T } | null {
    this.#taken = null;
    this.#source.read(this.#keep, 1);
    return this.#taken;
  }

  readonly #keep = (event: T): void => {
    this.#received++;
    this.#taken = { event };
  };

  readonly #serve = (): void => {
    while (!this.#closed) {
      const [waiter] = this.#waiters;
      if (waiter === undefined) return;
      try {
        const taken = this.#take();
        if (taken === null) {
          this.#wait(this.#serve);
          return;
        }
        this.#waiters.shift();
        waiter.resolve({ value: taken.event, done: false });
      } catch (error) {
        this.#waiters.shift();
        waiter.reject(error);
        this.close();
      }
    }
  };

  #wait(then: () => void): void {
    this.#source.release();
    if (this.#readiness === null) {
      this.#readiness = new Readiness(this.#source.fds);
      if (!this.#referenced) this.#readiness.unref();
    }
    this.#readiness.wait(then);
  }

  #mustNotListen(): void {
    if (this.#listening) throw this.#misused("listen() takes its events.", "Use one of listen(), drain() and iterating.");
  }

  #misused(why: string, fix: string): WirescriptError {
    return new WirescriptError({ code: "USAGE", what: `The reader of ${this.#what} cannot be used so.`, why, fix });
  }

  /** Ends an iteration: `break` does it. Closes the reader. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.close();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The process stays alive while it waits for events here (the default). */
  ref(): this {
    this.#referenced = true;
    this.#readiness?.ref();
    return this;
  }

  /** The process may end while it waits for events here, if it has nothing else to do. */
  unref(): this {
    this.#referenced = false;
    this.#readiness?.unref();
    return this;
  }

  readonly #end = (): void => this.close();

  /** Stops reading; whoever waits for an event learns that there is none. What is in the buffer stays there. May be called twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal?.removeEventListener("abort", this.#end);
    this.#readiness?.close();
    this.#source.close();
    this.#onClose();
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(DONE);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

const DONE: IteratorResult<never, undefined> = { value: undefined, done: true };
