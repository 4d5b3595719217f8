/**
 * Longest prefix match in user space: the twin of `kernel/maps/lpm-trie.ts`. Keys are given as people write them, "10.0.0.0/8", or as the
 * struct that the map declares.
 */
import { WirescriptError } from "../../errors.ts";
import { formatIp, parseIp } from "../../sys/ip-address.ts";
import type { Codec } from "./codecs.ts";
import type { MapParts } from "./map.ts";
import { KeyedMap } from "./table.ts";

/** The kernel's `struct bpf_lpm_trie_key`: the length in bits, in host byte order, and the bits. */
const DATA = 4;

/**
 * `get`, `has` and `set`, `delete` differ in what they look for: `get("10.1.2.3")` is the entry with the longest prefix that holds the
 * address, `delete("10.0.0.0/8")` takes that very prefix out.
 */
export class LpmTrieMap<K = unknown, V = unknown> extends KeyedMap<K, V, K | string> {
  readonly kind = "lpmTrie";
  readonly #name: string;

  constructor(parts: MapParts) {
    super(parts, { key: new PrefixCodec(parts.name, parts.key), value: parts.value });
    this.#name = parts.name;
  }

  /** All entries by their prefixes, "10.0.0.0/8" or "2001:db8::/32". @throws WirescriptError MAP when what is behind the length is no IP address. */
  *prefixes(): Generator<[prefix: string, value: V]> {
    const length = this.keySize - DATA;
    if (length !== 4 && length !== 16) throw noAddress(this.#name, length);
    for (const chunk of this.elements.chunks()) {
      const entries = this.decodeEntries(chunk);
      for (let index = 0; index < chunk.count; index++) {
        const at = index * this.keySize;
        const bits = new DataView(chunk.bytes.buffer, chunk.bytes.byteOffset).getUint32(at, true);
        const entry = entries[index] as [K, V]; // there are `count`
        yield [`${formatIp(chunk.bytes.subarray(at + DATA, at + this.keySize))}/${bits}`, entry[1]];
      }
    }
  }
}

/** Takes prefixes besides what `inner` takes. */
class PrefixCodec implements Codec {
  readonly size: number;
  readonly #map: string;
  readonly #inner: Codec;

  constructor(map: string, inner: Codec) {
    this.size = inner.size;
    this.#map = map;
    this.#inner = inner;
  }

  decode(bytes: Uint8Array, offset = 0): unknown {
    return this.#inner.decode(bytes, offset);
  }

  encode(value: unknown, into: Uint8Array, offset = 0): void {
    if (typeof value !== "string") return this.#inner.encode(value, into, offset);
    const size = this.size - DATA;
    const { address, bits } = parsePrefix(value, this.#map, size);
    new DataView(into.buffer, into.byteOffset).setUint32(offset, bits, true);
    into.set(address, offset + DATA);
  }
}

function parsePrefix(text: string, map: string, size: number): { address: Uint8Array; bits: number } {
  if (size !== 4 && size !== 16) throw noAddress(map, size);
  const [host = "", length, more] = text.split("/");
  const refuse = (why: string, fix: string, cause?: unknown) =>
    new WirescriptError({ code: "MAP", what: `"${text}" is no key of the map "${map}".`, why, fix, cause });
  let address: Uint8Array;
  try {
    address = parseIp(host);
  } catch (cause) {
    throw refuse(
      `"${host}" is no IP address.`,
      'Write it like "10.0.0.0/8" or "2001:db8::/32"; without a length all bits count.',
      cause,
    );
  }
  if (address.length !== size) {
    throw refuse(`Its keys are IPv${size === 4 ? 4 : 6} addresses.`, "Give one of these.");
  }
  const bits = length === undefined ? size * 8 : Number(length);
  if (more !== undefined || !/^\d+$/.test(length ?? "0") || bits > size * 8) {
    throw refuse(`Its keys have 0 to ${size * 8} bits.`, `Give a length in that range, or none for all ${size * 8}.`);
  }
  const network = address.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - index * 8))));
  if (network.some((byte, index) => byte !== address[index])) {
    throw refuse("It has bits behind its length, which would not count.", `Write ${formatIp(network)}/${bits}.`);
  }
  return { address, bits };
}

function noAddress(map: string, size: number): WirescriptError {
  return new WirescriptError({
    code: "MAP",
    what: `The keys of the map "${map}" are no IP prefixes.`,
    why: `Behind the length in bits they have ${size} bytes, not 4 or 16.`,
    fix: "Give the key as the struct that the map declares, or as bytes.",
  });
}
