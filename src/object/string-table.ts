/**
 * String tables as ELF and BTF have them: zero-terminated strings in one block of bytes, named by their offset, with the empty string at 0.
 *
 * The reading side remembers each string and limits how much text it hands out altogether: in a hostile file thousands of offsets may
 * point into one long string, which would take time and memory that grow with the square of the file's size.
 */
import { malformed } from "./malformed.ts";

export class StringTableBuilder {
  readonly #offsets = new Map<string, number>([["", 0]]);
  readonly #chunks: Uint8Array[] = [new Uint8Array(1)];
  #size = 1;

  /** Returns the offset of `text`, adding it when it is new. Text after a NUL could not be read back, so it is refused. */
  add(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    if (text.includes("\0")) throw new RangeError(`a name holds a NUL: ${JSON.stringify(text)}`);
    const offset = this.#size;
    const chunk = new TextEncoder().encode(`${text}\0`);
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    this.#offsets.set(text, offset);
    return offset;
  }

  /** The offset of a string that was added. */
  offsetOf(text: string): number {
    const offset = this.#offsets.get(text);
    if (offset === undefined) throw new RangeError(`not in the string table: ${JSON.stringify(text)}`);
    return offset;
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#size);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
}

export class StringTable {
  readonly #bytes: Uint8Array;
  readonly #label: string;
  readonly #known = new Map<number, string>();
  readonly #decoder = new TextDecoder();
  #budget: number;

  constructor(bytes: Uint8Array, label: string) {
    this.#bytes = bytes;
    this.#label = label;
    // Linkers let strings share their ends, which costs a small factor; anything beyond is an attack.
    this.#budget = 16 * bytes.length + 0x10000;
  }

  /** The string at `offset`. Throws when the offset is outside or the string does not end. */
  at(offset: number): string {
    const known = this.#known.get(offset);
    if (known !== undefined) return known;
    if (offset >= this.#bytes.length) {
      throw malformed(
        `${this.#label} is damaged.`,
        `A name lies at offset ${offset}, but the table has ${this.#bytes.length} bytes.`,
      );
    }
    const end = this.#bytes.indexOf(0, offset);
    if (end < 0) throw malformed(`${this.#label} is damaged.`, `The name at offset ${offset} does not end.`);
    this.#budget -= end - offset;
    if (this.#budget < 0) throw malformed(`${this.#label} is damaged.`, "Its names overlap so much that they cannot be meant.");
    const text = this.#decoder.decode(this.#bytes.subarray(offset, end));
    this.#known.set(offset, text);
    return text;
  }
}
