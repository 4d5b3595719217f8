/** Global variables in user space: a section's bytes as an object with one property for each variable. */
import { WirescriptError } from "../errors.ts";
import { codec } from "../object/btf/codec.ts";
import type { Btf } from "../object/btf/types.ts";
import type { DataSpec } from "../object/spec.ts";
import { bytesCodec, type Codec } from "./maps/codecs.ts";

/** Values for settings: constants of the program that are fixed when it is loaded. */
export type Settings = Readonly<Record<string, unknown>>;

/** Bytes when the section has no typed variables. */
export function dataSectionCodec(section: DataSpec, btf: Btf | null): Codec {
  const variables = section.variables.filter(({ typeId }) => typeId !== 0);
  // A codec of bytes takes and gives Uint8Arrays.
  if (btf === null || variables.length === 0) return bytesCodec(section.bytes.length) as Codec;
  const codecs = variables.map(({ name, offset, typeId }) => ({ name, offset, codec: codec(btf, typeId, name) }));
  return {
    size: section.bytes.length,
    decode: (bytes, at = 0) =>
      Object.fromEntries(codecs.map(({ name, offset, codec }) => [name, codec.decode(bytes, at + offset)])),
    encode: (value, into, at = 0) => {
      for (const { name, offset, codec } of codecs) codec.encode((value as Settings)[name], into, at + offset);
    },
  };
}

/**
 * The data sections with settings put in.
 *
 * @throws WirescriptError USAGE for a name that is no read-only variable of the object, MAP for a value that does not fit.
 */
export function withSettings(data: readonly DataSpec[], btf: Btf | null, settings: Settings): DataSpec[] {
  const changed = data.map((section) => ({ ...section, bytes: section.bytes.slice() }));
  for (const [name, value] of Object.entries(settings)) {
    const sections = changed.filter((section) => section.readonly);
    const section = sections.find(({ variables }) => variables.some((variable) => variable.name === name));
    const variable = section?.variables.find((each) => each.name === name);
    if (section === undefined || variable === undefined || variable.typeId === 0 || btf === null) {
      const names = sections.flatMap(({ variables }) =>
        variables.filter(({ typeId }) => typeId !== 0).map((each) => each.name),
      );
      throw new WirescriptError({
        code: "USAGE",
        what: `The object has no setting "${name}".`,
        why: names.length === 0 ? "It has no settings." : `It has ${names.join(", ")}.`,
        fix: "Name one of these, or leave it out.",
      });
    }
    codec(btf, variable.typeId, name).encode(value, section.bytes, variable.offset);
  }
  return changed;
}
