/** How the bytes of a record become what the reader gets. */
import { WirescriptError } from "../../errors.ts";
import { codec } from "../../object/btf/codec.ts";
import type { Btf } from "../../object/btf/types.ts";
import type { Codec } from "../maps/codecs.ts";
import type { RecordDecoder } from "./event-source.ts";

export interface DecodeOptions<T> {
  /** Reads each record; `bytes` is a copy that may be kept. */
  decode?: (bytes: Uint8Array) => T;
  /** The name of a type in the object's BTF, for example of a C struct: records begin with one. */
  type?: string;
}

export interface Records {
  /** The map's name. */
  name: string;
  btf: Btf | null;
  /** The type that the map declares; null when it declares none. */
  declared: Codec | null;
}

/** @throws WirescriptError USAGE when there is no type of that name. */
export function recordDecoder<T>({ name, btf, declared }: Records, options: DecodeOptions<T>): RecordDecoder<T> {
  const { decode, type } = options;
  if (decode !== undefined) return (bytes, at, length) => decode(bytes.slice(at, at + length));
  // The caller states the type that goes with the name or the declaration.
  if (type !== undefined) return byType<T>(name, typeNamed(btf, type), type, false);
  if (declared !== null) return byType<T>(name, declared, "the type that it declares", true);
  // Without any type records are bytes, as the map's type parameter says.
  return (bytes, at, length) => bytes.slice(at, at + length) as T;
}

function byType<T>(map: string, type: Codec, called: string, exactly: boolean): RecordDecoder<T> {
  const { size } = type;
  return (bytes, at, length) => {
    if (length === size || (length > size && !exactly)) return type.decode(bytes, at) as T;
    throw new WirescriptError({
      code: "MAP",
      what: `A record of "${map}" has ${length} bytes, and ${called} has ${size}.`,
      why: "The program wrote a record of another type. The record was taken out.",
      fix: "Read the records as bytes, and tell the types apart: reader({ decode: (bytes) => … }).",
    });
  };
}

function typeNamed(btf: Btf | null, name: string): Codec {
  const kinds = new Set(["struct", "union", "typedef", "int", "enum", "enum64"]);
  const index = btf?.types.findIndex((type) => kinds.has(type.kind) && "name" in type && type.name === name) ?? -1;
  if (btf !== null && index >= 0) return codec(btf, index + 1, name);
  throw new WirescriptError({
    code: "USAGE",
    what: `There is no type "${name}".`,
    why:
      btf === null
        ? "The object has no types (BTF), or the map was opened by its pin or id."
        : "The object's types (BTF) have none of that name: clang leaves out what no function and no variable uses.",
    fix: "Use the type in C (struct event *unused __attribute__((unused));) and build with -g, or read bytes: reader({ decode }).",
  });
}
