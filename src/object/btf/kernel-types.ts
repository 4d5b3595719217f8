/**
 * A kernel's types. There are some 130,000 of them in 6 MB, and a program asks for a handful: so one pass over the bytes notes
 * where each begins and what it is called, and a type is decoded when it is asked for. Names are found by searching the string
 * table as one text.
 */
import { ByteReader } from "../byte-reader.ts";
import { essentialName } from "../core/flavour.ts";
import { malformed } from "../malformed.ts";
import { openBtf, readType } from "./decode.ts";
import { KIND } from "./kinds.ts";
import type { BtfType, TypeLookup } from "./types.ts";

/** Bytes behind the 12 that all types have: a fixed number, and one for each member. */
const MORE: ReadonlyMap<number, readonly [fixed: number, each: number]> = new Map([
  [KIND.int, [4, 0]],
  [KIND.array, [12, 0]],
  [KIND.struct, [0, 12]],
  [KIND.union, [0, 12]],
  [KIND.enum, [0, 8]],
  [KIND.func_proto, [0, 8]],
  [KIND.var, [4, 0]],
  [KIND.datasec, [0, 12]],
  [KIND.decl_tag, [4, 0]],
  [KIND.enum64, [0, 12]],
]);
const HEAD = 12;
const LAST_KIND = KIND.enum64;
/** Each search goes over all types: who asks for more names than this gets an index of them all. */
const SEARCHES = 200;

export class KernelTypes implements TypeLookup {
  readonly count: number;
  readonly #table: Uint8Array;
  readonly #strings: ReturnType<typeof openBtf>["strings"];
  /** Each byte of the string table as a character, so that places in the text are offsets. */
  readonly #text: string;
  readonly #places: Uint32Array;
  readonly #names: Uint32Array;
  readonly #label: string;
  readonly #decoded = new Map<number, BtfType>();
  #named = new Map<string, readonly number[]>();
  #indexed = false;

  /** @throws WirescriptError BAD_FILE when the bytes are no BTF. */
  constructor(bytes: Uint8Array, label = "The kernel's BTF") {
    const { types, strings, stringBytes } = openBtf(bytes, label);
    this.#label = label;
    this.#table = types;
    this.#strings = strings;
    this.#text = new TextDecoder("latin1").decode(stringBytes);
    const most = Math.ceil(types.length / HEAD);
    const [places, names] = [new Uint32Array(most), new Uint32Array(most)];
    const view = new DataView(types.buffer, types.byteOffset, types.byteLength);
    let count = 0;
    for (let at = 0; at < types.length; count++) {
      if (types.length - at < HEAD) throw malformed(`${label} is cut short.`, `Type ${count + 1} is not whole.`);
      const info = view.getUint32(at + 4, true);
      const kind = (info >>> 24) & 0x1f;
      if (kind === 0 || kind > LAST_KIND) throw malformed(`${label} is damaged.`, `Type ${count + 1} has kind ${kind}.`);
      const [fixed, each] = MORE.get(kind) ?? [0, 0];
      places[count] = at;
      names[count] = view.getUint32(at, true);
      at += HEAD + fixed + each * (info & 0xffff);
    }
    this.count = count;
    this.#places = places.subarray(0, count);
    this.#names = names.subarray(0, count);
  }

  type(id: number): BtfType | undefined {
    const place = this.#places[id - 1];
    if (place === undefined) return undefined;
    let type = this.#decoded.get(id);
    if (type === undefined) {
      const reader = new ByteReader(this.#table, `The type table of ${this.#label}`);
      reader.position = place;
      type = readType(reader, this.#strings, id, this.#label);
      this.#decoded.set(id, type);
    }
    return type;
  }

  /** Ids of all types, of any kind, whose name is `name` or a flavour of it (`name___v2`), ascending. */
  named(name: string): readonly number[] {
    let ids = this.#named.get(name);
    if (ids === undefined && this.#named.size >= SEARCHES) this.#indexAll();
    if (this.#indexed) return this.#named.get(name) ?? [];
    if (ids === undefined) {
      const found: number[] = [];
      for (const offset of this.#offsetsOf(name))
        for (let at = this.#names.indexOf(offset); at >= 0; at = this.#names.indexOf(offset, at + 1)) found.push(at + 1);
      ids = found.sort((a, b) => a - b);
      this.#named.set(name, ids);
    }
    return ids;
  }

  #indexAll(): void {
    const all = new Map<string, number[]>();
    for (let index = 0; index < this.count; index++) {
      const offset = this.#names[index] ?? 0;
      if (offset === 0) continue;
      const name = essentialName(this.#text.slice(offset, this.#text.indexOf("\0", offset)));
      const ids = all.get(name);
      if (ids === undefined) all.set(name, [index + 1]);
      else ids.push(index + 1);
    }
    this.#named = all;
    this.#indexed = true;
  }

  /** Where the string table has the name: once, if whoever made it put each text there once. */
  #offsetsOf(name: string): number[] {
    const offsets: number[] = [];
    const wanted = `\0${name}`;
    for (let at = this.#text.indexOf(wanted); at >= 0 && name !== ""; at = this.#text.indexOf(wanted, at + 1)) {
      const end = at + wanted.length;
      if (this.#text[end] === "\0" || this.#text.startsWith("___", end)) offsets.push(at + 1);
    }
    return offsets;
  }
}
