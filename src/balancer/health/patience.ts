/**
 * A timeout that counts only time in which an answer could have been heard. When this process was busy or had no CPU, answers wait in its sockets,
 * and timers come before them: an ordinary timeout would then take a well backend for a sick one.
 */
const STEPS = 4;
/** A process that never has time must find out some day: after so many times its time. */
const MOST = 10;

export class Patience {
  readonly #over: () => void;
  readonly #stepMs: number;
  readonly #last: number;
  #left = STEPS;
  #timer: NodeJS.Timeout | undefined;

  /** `over` is called after `seconds`, or later when they were not ours. */
  constructor(seconds: number, over: () => void) {
    this.#over = over;
    this.#stepMs = (seconds * 1000) / STEPS;
    this.#last = performance.now() + MOST * seconds * 1000;
    this.#wait();
  }

  #wait(): void {
    const begin = performance.now();
    this.#timer = setTimeout(() => {
      // A step that took twice its time was not spent listening.
      if (performance.now() - begin < 2 * this.#stepMs) this.#left--;
      if (this.#left > 0 && performance.now() < this.#last) this.#wait();
      else this.#over();
    }, this.#stepMs);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
