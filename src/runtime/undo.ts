/** What has to be taken back when a series of steps fails in the middle; the last step first. */
export class Undo {
  readonly #steps: (() => void)[] = [];

  /** Remembers how to take back the step that was just made. */
  push(step: () => void): void {
    this.#steps.push(step);
  }

  /** Takes everything back. A step that fails does not keep the others from it; the first error is thrown at the end. */
  run(): void {
    const errors: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
