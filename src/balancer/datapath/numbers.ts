/**
 * The numbers by which the datapath knows services and backends. A number that was given back is given out again as late as possible, so that
 * packets which are under way meanwhile do not count for somebody else.
 */
import { WirescriptError } from "../../errors.ts";

export class Numbers {
  readonly #what: string;
  readonly #limit: number;
  readonly #used = new Set<number>();
  #last = 0;

  /** From 1 to `limit` - 1: 0 is nobody's. `what` is what they are for, in the plural. */
  constructor(what: string, limit: number) {
    this.#what = what;
    this.#limit = limit;
  }

  /** Takes a number that was given out in an earlier life; false when it is taken. */
  claim(number: number): boolean {
    if (number < 1 || number >= this.#limit || this.#used.has(number)) return false;
    this.#used.add(number);
    this.#last = Math.max(this.#last, number);
    return true;
  }

  /** @throws WirescriptError MAP when all are in use. */
  take(): number {
    if (this.#used.size >= this.#limit - 1) {
      throw new WirescriptError({
        code: "MAP",
        what: `There is no room for more ${this.#what}.`,
        why: `The datapath's maps hold ${this.#limit - 1}.`,
        fix: "Remove some that are not needed.",
      });
    }
    do this.#last = (this.#last % (this.#limit - 1)) + 1;
    while (this.#used.has(this.#last));
    this.#used.add(this.#last);
    return this.#last;
  }

  release(number: number): void {
    this.#used.delete(number);
  }

  /** Gives back all but these. */
  retain(numbers: ReadonlySet<number>): void {
    for (const number of this.#used) if (!numbers.has(number)) this.#used.delete(number);
  }

  get used(): number {
    return this.#used.size;
  }
}
