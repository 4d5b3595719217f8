/**
 * What a CO-RE relocation comes to on a given kernel: candidates are the kernel's types of the same name and kind (flavours
 * aside); those that fit must agree, because nobody could say which of them the program will meet.
 */

import type { KernelTypes } from "../btf/kernel-types.ts";
import { sizeOf, typeAt } from "../btf/layout.ts";
import type { Btf, BtfType } from "../btf/types.ts";
import { malformed } from "../malformed.ts";
import { isEnum, typesCompatible, typesMatch } from "./compatible.ts";
import { essentialName } from "./flavour.ts";
import { type LocalField, localField, targetField } from "./place.ts";
import type { CoreRelocation } from "./relocation.ts";
import { type FieldValue, fieldValue } from "./value.ts";

export interface Access {
  size: number;
  /** What a load of this width may become another width: addresses, and numbers without a sign. */
  kind: "pointer" | "unsigned" | "other";
}

export type Resolution =
  /** `before`: what the compiler wrote into the instruction, where that is known for sure. */
  | { value: bigint; before?: bigint; access?: { before: Access; after: Access } }
  /** The kernel has no such thing, and the instruction must not be reached. */
  | { missing: string; why: string };

/** Resolves relocations of one object on one kernel. */
export class CoreResolver {
  readonly #local: Btf;
  readonly #kernel: () => KernelTypes;
  readonly #candidates = new Map<number, readonly number[]>();
  readonly #known = new Map<string, Resolution>();

  /** `kernel` is asked for when a relocation needs it. */
  constructor(local: Btf, kernel: () => KernelTypes) {
    this.#local = local;
    this.#kernel = kernel;
  }

  /** @throws WirescriptError BAD_FILE when the relocation makes no sense, or the kernel's candidates contradict each other. */
  resolve(relocation: CoreRelocation): Resolution {
    const key = `${relocation.kind} ${relocation.typeId} ${relocation.path.join(":")}`;
    let resolution = this.#known.get(key);
    if (resolution === undefined) {
      resolution = this.#resolve(relocation);
      this.#known.set(key, resolution);
    }
    return resolution;
  }

  #resolve(relocation: CoreRelocation): Resolution {
    switch (relocation.kind) {
      case "type_id_local":
        return { value: BigInt(relocation.typeId) };
      case "type_id_target":
      case "type_exists":
      case "type_size":
      case "type_matches":
        return this.#type(relocation);
      case "enumval_exists":
      case "enumval_value":
        return this.#enumerator(relocation);
      default:
        return this.#field(relocation);
    }
  }

  #type({ kind, typeId }: CoreRelocation): Resolution {
    const local = this.#local;
    const fits = kind === "type_matches" ? typesMatch : typesCompatible;
    const found = this.#candidatesOf(typeId).filter((id) => fits(local, typeId, this.#kernel(), id));
    const values = found.map((id) => {
      if (kind === "type_id_target") return BigInt(id);
      return kind === "type_size" ? BigInt(sizeOf(this.#kernel(), id)) : 1n;
    });
    // Of types that are not there, the answer is 0 to every question.
    return { value: agreed(values, describeType(local, typeId)) ?? 0n };
  }

  #enumerator({ kind, typeId, path }: CoreRelocation): Resolution {
    const type = typeAt(this.#local, typeId);
    const value = isEnum(type) ? type.values[path[0] ?? 0] : undefined;
    if (value === undefined)
      throw malformed("A CO-RE relocation is damaged.", `Type ${typeId} has no enumerator ${path.join(":")}.`);
    const name = essentialName(value.name);
    const found = this.#candidatesOf(typeId).flatMap((id) => {
      const target = typeAt(this.#kernel(), id);
      const twin = isEnum(target) ? target.values.find((each) => essentialName(each.name) === name) : undefined;
      return twin === undefined ? [] : [BigInt(twin.value)];
    });
    const what = `the enumerator ${value.name} of ${describeType(this.#local, typeId)}`;
    if (kind === "enumval_exists") return { value: BigInt(found.length > 0), before: 1n };
    const agreedValue = agreed(found, what);
    if (agreedValue !== undefined) return { value: agreedValue, before: BigInt(value.value) };
    return { missing: what, why: this.#whyNot(typeId, `it has no enumerator ${name}`) };
  }

  #field({ kind, typeId, path }: CoreRelocation): Resolution {
    const field = localField(this.#local, typeId, path);
    const before = fieldValue(this.#local, field.place, kind);
    const what = `${describeSteps(field)} of ${describeType(this.#local, typeId)}`;
    if (before === undefined) throw malformed("A CO-RE relocation is damaged.", `It asks for the ${kind} of ${what}.`);
    let why = "";
    const found: { value: FieldValue; bitOffset: number }[] = [];
    for (const id of this.#candidatesOf(typeId)) {
      const place = targetField(this.#local, field.steps, this.#kernel(), id);
      if ("why" in place) why ||= place.why;
      else {
        const value = fieldValue(this.#kernel(), place, kind);
        if (value === undefined) why ||= "no load reaches the whole of it";
        else found.push({ value, bitOffset: place.bitOffset });
      }
    }
    agreed(
      found.map(({ bitOffset }) => BigInt(bitOffset)),
      what,
    );
    const value = agreed(
      found.map((each) => each.value.value),
      what,
    );
    // What compilers write for the shape of bit fields differs; only the rest can be relied upon.
    const sure = field.place.bitSize === 0 || kind === "field_signed" || kind === "field_rshift_u64" || kind === "field_exists";
    const [first] = found;
    if (kind === "field_exists") return { value: value ?? 0n, before: 1n };
    if (value === undefined || first === undefined) return { missing: what, why: this.#whyNot(typeId, why) };
    return {
      value,
      ...(sure && { before: before.value }),
      ...(before.access && first.value.access && { access: this.#accesses(before.access, first.value.access) }),
    };
  }

  #accesses(before: { size: number; typeId: number }, after: { size: number; typeId: number }) {
    return {
      before: { size: before.size, kind: accessKind(typeBehind(this.#local, before.typeId)) },
      after: { size: after.size, kind: accessKind(typeBehind(this.#kernel(), after.typeId)) },
    };
  }

  #whyNot(typeId: number, why: string): string {
    const name = describeType(this.#local, typeId);
    if (this.#candidatesOf(typeId).length === 0) return `The running kernel's BTF has no ${name}.`;
    return `The running kernel's BTF has ${name}, but ${why}.`;
  }

  #candidatesOf(typeId: number): readonly number[] {
    let ids = this.#candidates.get(typeId);
    if (ids === undefined) {
      const type = typeAt(this.#local, typeId);
      const name = type !== undefined && "name" in type ? essentialName(type.name) : "";
      if (type === undefined || name === "") {
        throw malformed("A CO-RE relocation is damaged.", `Type ${typeId} has no name by which the kernel's could be found.`);
      }
      ids = this.#kernel()
        .named(name)
        .filter((id) => {
          const other = this.#kernel().type(id);
          return other?.kind === type.kind || (isEnum(type) && isEnum(other));
        });
      this.#candidates.set(typeId, ids);
    }
    return ids;
  }
}

/** The one value that all candidates give; `undefined` without any. */
function agreed(values: readonly bigint[], what: string): bigint | undefined {
  const [first] = values;
  if (values.every((value) => value === first)) return first;
  throw malformed(
    `It is not clear what ${what} means on this kernel.`,
    `The kernel has several types of that name, and they answer ${[...new Set(values)].join(" and ")}.`,
    "Describe the type in the program so that only one of them fits.",
  );
}

function typeBehind(types: Parameters<typeof typeAt>[0], id: number): BtfType | undefined {
  let type = typeAt(types, id);
  for (let depth = 0; depth < 32 && type !== undefined; depth++) {
    if (!["typedef", "const", "volatile", "restrict", "type_tag"].includes(type.kind) || !("type" in type)) break;
    type = typeAt(types, type.type);
  }
  return type;
}

function accessKind(type: BtfType | undefined): Access["kind"] {
  if (type?.kind === "ptr") return "pointer";
  return type?.kind === "int" && type.encoding !== "signed" ? "unsigned" : "other";
}

/** "struct task_struct" */
export function describeType(btf: Btf, typeId: number): string {
  const type = typeAt(btf, typeId);
  const name = type !== undefined && "name" in type ? type.name : "";
  const kind = isEnum(type) ? "enum" : (type?.kind ?? "void");
  return kind === "typedef" || kind === "int" ? name : `${kind} ${name}`.trim();
}

function describeSteps({ steps }: LocalField): string {
  const [first, ...rest] = steps;
  const path = rest
    .map((step) => ("name" in step ? `.${step.name}` : `[${step.index}]`))
    .join("")
    .replace(/^\./, "");
  const element = first !== undefined && "index" in first && first.index > 0 ? `element ${first.index}` : "the whole";
  return path === "" ? element : `the member ${path}`;
}
