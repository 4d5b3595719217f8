/** The structs and unions of the codec: plain objects. */
import { badValue, type Part, shown } from "./codec-part.ts";
import { freshName, plus, property, sourceOf } from "./codec-source.ts";
import type { BtfMember } from "./types.ts";

interface MemberPart {
  member: BtfMember;
  part: Part;
}

interface Field {
  name: string;
  at: number;
  part: Part;
}

/** Carries the fields of unnamed structs and unions outwards, as C does. */
interface Compound extends Part {
  fields: Field[];
  union: boolean;
}

function isCompound(part: Part): part is Compound {
  return "fields" in part;
}

/** Names of the fields that an unnamed member gives to the struct around it. */
export function fieldNames(part: Part): string[] {
  return isCompound(part) ? part.fields.map((field) => field.name) : [];
}

/** A struct, or a union when `union` says so. */
export function compoundPart(typeName: string, size: number, members: readonly MemberPart[], union: boolean): Compound {
  const fields: Field[] = [];
  /** Groups of names of which exactly one is to be given. */
  const alternatives: string[][] = [];
  const flatten = (list: readonly Field[], inUnion: boolean) => {
    fields.push(...list);
    if (inUnion) alternatives.push(list.map((field) => field.name));
  };
  const own: Field[] = [];
  for (const { member, part } of members) {
    const at = Math.floor(member.bitOffset / 8);
    if (member.name !== "") own.push({ name: member.name, at, part });
    else if (isCompound(part)) {
      const inner = part.fields.map((field) => ({ ...field, at: field.at + at }));
      if (union) own.push(...inner);
      else flatten(inner, part.union);
    }
  }
  flatten(own, union);
  const byName = new Map(fields.map((field) => [field.name, field]));
  const optional = new Set(alternatives.flat());

  return {
    ...{ size, typeName, fields, union, leaves: fields.reduce((sum, field) => sum + field.part.leaves, 0) },
    source(at, bind) {
      return `{ ${fields.map(({ name, at: offset, part }) => property(name, sourceOf(part, plus(at, offset), bind))).join(", ")} }`;
    },
    ...(alternatives.length === 0 &&
      fields.every(({ name, part }) => part.sink !== undefined && name !== "__proto__") && { sink: sinkOf(fields) }),
    read(view, at) {
      const result: Record<string, unknown> = {};
      for (const { name, at: offset, part } of fields) {
        const value = part.read(view, at + offset);
        // Assigned, it would be the object's prototype.
        if (name === "__proto__")
          Object.defineProperty(result, name, { value, enumerable: true, configurable: true, writable: true });
        else result[name] = value;
      }
      return result;
    },
    write(view, at, value, path) {
      if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
        badValue(
          path,
          `It is ${shown(value)}, but its type is ${typeName}.`,
          `Give an object with ${listed([...byName.keys()])}.`,
        );
      }
      const given = value as Record<string, unknown>; // an object, as just checked
      for (const name of Object.keys(given)) {
        if (!byName.has(name))
          badValue(`${path}.${name}`, `${typeName} has no member of this name.`, `It has ${listed([...byName.keys()])}.`);
      }
      for (const names of alternatives) {
        const present = names.filter((name) => given[name] !== undefined);
        if (present.length !== 1) {
          badValue(
            path,
            `It has ${present.length} of the members ${listed(names)}, which share their bytes.`,
            "Give exactly one of them.",
          );
        }
      }
      for (const field of fields) {
        const member = given[field.name];
        if (member !== undefined) field.part.write(view, at + field.at, member, `${path}.${field.name}`);
        else if (!optional.has(field.name))
          badValue(`${path}.${field.name}`, "It is missing.", `Give a value of type ${field.part.typeName}.`);
      }
    },
  };
}

/** For plain objects with exactly these properties; anything else is left to `write`. */
function sinkOf(fields: readonly Field[]): NonNullable<Part["sink"]> {
  return (value, at, bind) => {
    const isPlain = `typeof ${value} === "object" && ${value} !== null && Object.getPrototypeOf(${value}) === Object.prototype`;
    const parts = fields.map(({ name, at: offset, part }) => {
      const each = freshName(bind);
      return `const ${each} = ${value}[${JSON.stringify(name)}]; ${part.sink?.(each, plus(at, offset), bind)}`;
    });
    return `if (!(${isPlain}) || Object.keys(${value}).length !== ${fields.length}) return false; ${parts.join(" ")}`;
  };
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "no members" : names.join(", ");
}
