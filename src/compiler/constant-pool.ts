/** Bytes that programs only read, in a data section behind what has a name there. Equal ones are kept once. */
export class ConstantPool {
  readonly section = ".rodata";
  readonly #start: number;
  readonly #bytes: number[] = [];
  readonly #places = new Map<string, number>();

  /** `start`: where the section's other contents end. */
  constructor(start: number) {
    this.#start = start;
  }

  /** Where in the section the bytes are, aligned as a map's key or value of that size may want it. */
  place(bytes: Uint8Array): number {
    const key = bytes.join();
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const align = Math.min(8, 2 ** Math.floor(Math.log2(bytes.length)));
    while ((this.#start + this.#bytes.length) % align !== 0) this.#bytes.push(0);
    const offset = this.#start + this.#bytes.length;
    this.#bytes.push(...bytes);
    this.#places.set(key, offset);
    return offset;
  }

  /** Everything from `start` on. */
  get bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}
