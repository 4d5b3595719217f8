/** Collects types and hands out ids; structurally equal types get the same id. */
import type { Btf, BtfType } from "./types.ts";

export class BtfBuilder implements Btf {
  readonly types: BtfType[] = [];
  readonly #ids = new Map<string, number>();

  /** Returns the id of `type`, adding it when no equal type is there yet. */
  add(type: BtfType): number {
    const key = JSON.stringify(type, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.types.push(type);
    this.#ids.set(key, id);
    return id;
  }
}
