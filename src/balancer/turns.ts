/** One after the other: work on the same thing waits for the work before it, whether that fails or not. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<Result>(work: () => Promise<Result> | Result): Promise<Result> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => {});
    return mine;
  }

  /** When all that was asked for until now is done. */
  async done(): Promise<void> {
    await this.#last;
  }
}
