/** Sets of small numbers as words of bits: liveness over thousands of registers stays cheap. */
export class Bits {
  readonly words: Uint32Array;

  constructor(sizeOrOther: number | Bits) {
    this.words = typeof sizeOrOther === "number" ? new Uint32Array((sizeOrOther + 31) >>> 5) : sizeOrOther.words.slice();
  }

  has(bit: number): boolean {
    return (((this.words[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) !== 0;
  }

  add(bit: number): void {
    const word = bit >>> 5;
    this.words[word] = (this.words[word] ?? 0) | (1 << (bit & 31));
  }

  delete(bit: number): void {
    const word = bit >>> 5;
    this.words[word] = (this.words[word] ?? 0) & ~(1 << (bit & 31));
  }

  /** Adds `other` less `except`; whether anything was new. */
  addAll(other: Bits, except?: Bits): boolean {
    let changed = false;
    for (let index = 0; index < this.words.length; index++) {
      const before = this.words[index] ?? 0;
      const after = (before | ((other.words[index] ?? 0) & ~(except?.words[index] ?? 0))) >>> 0;
      if (after === before) continue;
      this.words[index] = after;
      changed = true;
    }
    return changed;
  }

  /** Ascending. */
  forEach(visit: (bit: number) => void): void {
    for (let index = 0; index < this.words.length; index++) {
      for (let word = this.words[index] ?? 0; word !== 0; word &= word - 1) visit((index << 5) + 31 - Math.clz32(word & -word));
    }
  }
}
