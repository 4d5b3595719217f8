/**
 * BTF for what a module declares: map keys and values under the names of their schemas, programs as C functions. Integers get the
 * kernel's own names (`__u32`, `__be16`), by which other tools and our codec tell the byte order.
 */
import { BtfBuilder } from "../object/btf/builder.ts";
import type { BtfMember } from "../object/btf/types.ts";
import { wireBitsName } from "../object/btf/wire-bits.ts";
import type { ProgramType } from "../object/spec.ts";
import type { FieldLayout, ScalarLayout, SizedLayout, StructLayout } from "./frontend/layout.ts";
import { usableName } from "./frontend/names.ts";
import type { IntType } from "./frontend/values.ts";

const C_INTEGERS: Record<string, { name: string; encoding: "unsigned" | "signed" | "char" | "bool" }> = {
  u8: { name: "unsigned char", encoding: "unsigned" },
  u16: { name: "unsigned short", encoding: "unsigned" },
  u32: { name: "unsigned int", encoding: "unsigned" },
  u64: { name: "unsigned long long", encoding: "unsigned" },
  i8: { name: "signed char", encoding: "signed" },
  i16: { name: "short", encoding: "signed" },
  i32: { name: "int", encoding: "signed" },
  i64: { name: "long long", encoding: "signed" },
};

const XDP_MD = ["data", "data_end", "data_meta", "ingress_ifindex", "rx_queue_index", "egress_ifindex"] as const;

/** [name, offset in bytes, words]: what a program may reach of struct __sk_buff. */
const SK_BUFF = [
  ["len", 0, 1],
  ["pkt_type", 4, 1],
  ["mark", 8, 1],
  ["queue_mapping", 12, 1],
  ["protocol", 16, 1],
  ["vlan_present", 20, 1],
  ["vlan_tci", 24, 1],
  ["vlan_proto", 28, 1],
  ["priority", 32, 1],
  ["ingress_ifindex", 36, 1],
  ["ifindex", 40, 1],
  ["tc_index", 44, 1],
  ["cb", 48, 5],
  ["hash", 68, 1],
  ["tc_classid", 72, 1],
  ["data", 76, 1],
  ["data_end", 80, 1],
  ["napi_id", 84, 1],
  ["family", 88, 1],
  ["remote_ip4", 92, 1],
  ["local_ip4", 96, 1],
  ["remote_ip6", 100, 4],
  ["local_ip6", 116, 4],
  ["remote_port", 132, 1],
  ["local_port", 136, 1],
  ["data_meta", 140, 1],
  ["tstamp", 152, 1],
  ["wire_len", 160, 1],
  ["gso_segs", 164, 1],
  ["gso_size", 176, 1],
  ["hwtstamp", 184, 1],
] as const;

export interface SubprogramSignature {
  name: string;
  /** `null` is an address. */
  parameters: readonly { name: string; type: IntType | null }[];
  returns: IntType | "address" | "void";
}

export class ModuleTypes {
  readonly btf = new BtfBuilder();

  /** The type's id. */
  of(layout: SizedLayout): number {
    switch (layout.kind) {
      case "scalar":
        return this.#scalar(layout);
      case "bytes":
        return this.#byteArray(layout.size);
      case "struct":
        return this.#struct(layout);
      case "array":
        return this.btf.add({
          kind: "array",
          type: this.of(layout.element),
          indexType: this.#integer("u32"),
          length: layout.length,
        });
    }
  }

  /** FUNC of a program: `int name(struct xdp_md *ctx)`, or with `struct __sk_buff`. */
  program(name: string, programType: ProgramType): number {
    const pointer = this.btf.add({ kind: "ptr", type: this.#context(programType) });
    const parameters = [{ name: "ctx", type: pointer }];
    const type = this.btf.add({ kind: "func_proto", returnType: this.#integer("i32"), parameters });
    return this.btf.add({ kind: "func", name, type, linkage: "global" });
  }

  /** FUNC of a subprogram: static, so that the verifier walks it with what it knows at each call. */
  subprogram({ name, parameters, returns }: SubprogramSignature): number {
    const typeOf = (type: IntType | null): number => {
      if (type === null) return this.btf.add({ kind: "ptr", type: 0 });
      return this.of(scalarOf(type));
    };
    const returnType = returns === "void" ? 0 : typeOf(returns === "address" ? null : returns);
    const own = parameters.map((parameter) => ({ name: usableName(parameter.name), type: typeOf(parameter.type) }));
    const type = this.btf.add({ kind: "func_proto", returnType, parameters: own });
    return this.btf.add({ kind: "func", name: usableName(name), type, linkage: "static" });
  }

  /** FUNC of what `bpf_loop` calls: `static long name(u64 index, void *context)`. */
  callback(name: string): number {
    const parameters = [
      { name: "index", type: { bits: 64, signed: false } as const },
      { name: "context", type: null },
    ];
    return this.subprogram({ name, parameters, returns: { bits: 64, signed: true } });
  }

  #context(programType: ProgramType): number {
    const u32 = this.#integer("u32");
    if (programType === "xdp") {
      const members = XDP_MD.map((name, index) => ({ name, type: u32, bitOffset: index * 32, bitSize: 0 }));
      return this.btf.add({ kind: "struct", name: "xdp_md", size: XDP_MD.length * 4, members });
    }
    const u64 = this.#integer("u64");
    const members = SK_BUFF.map(([name, offset, words]) => {
      const word = name === "tstamp" || name === "hwtstamp" ? u64 : u32;
      const type = words === 1 ? word : this.btf.add({ kind: "array", type: u32, indexType: u32, length: words });
      return { name, type, bitOffset: offset * 8, bitSize: 0 };
    });
    return this.btf.add({ kind: "struct", name: "__sk_buff", size: 192, members });
  }

  /** The C type with the size and sign of the schema `name`. */
  #integer(name: string): number {
    const integer = C_INTEGERS[name];
    if (integer === undefined) throw new Error(`no integer ${name}`);
    const bits = Number(name.slice(1));
    return this.btf.add({ kind: "int", name: integer.name, size: bits / 8, bits, encoding: integer.encoding });
  }

  #scalar({ name, bigEndian, boolean, signed, size }: ScalarLayout): number {
    if (boolean) return this.btf.add({ kind: "int", name: "_Bool", size: 1, bits: 8, encoding: "bool" });
    const bits = size * 8;
    const host = this.btf.add({
      kind: "typedef",
      name: `__${signed ? "s" : "u"}${bits}`,
      type: this.#integer(bigEndian ? `u${bits}` : name),
    });
    return bigEndian ? this.btf.add({ kind: "typedef", name: `__be${bits}`, type: host }) : host;
  }

  #byteArray(length: number): number {
    const type = this.#scalar({ kind: "scalar", name: "u8", size: 1, signed: false, bigEndian: false, boolean: false });
    return this.btf.add({ kind: "array", type, indexType: this.#integer("u32"), length });
  }

  #struct({ name, size, fields, overlay }: StructLayout): number {
    const members: BtfMember[] = [];
    const across = new Set(
      fields.filter((field) => field.bit !== undefined && !isInOneByte(field)).map(({ offset }) => offset),
    );
    const done = new Set<number>();
    for (const field of fields) {
      if (field.layout.kind !== "bits") {
        members.push({ name: field.name, type: this.of(field.layout), bitOffset: field.offset * 8, bitSize: 0 });
      } else if (!across.has(field.offset)) {
        members.push(this.#bitMember(field));
      } else if (!done.has(field.offset)) {
        done.add(field.offset);
        const run = fields.filter((other) => other.bit !== undefined && other.offset === field.offset);
        members.push({ name: "", type: this.#runAcrossBytes(run), bitOffset: field.offset * 8, bitSize: 0 });
      }
    }
    // The kernel wants ascending offsets; bit fields of one byte, most significant first, come in descending ones.
    members.sort((a, b) => a.bitOffset - b.bitOffset);
    return this.btf.add({ kind: overlay === true ? "union" : "struct", name: usableName(name), size, members });
  }

  /** A run with a field that is in more than one byte, as `wire-bits.ts` says. */
  #runAcrossBytes(run: readonly FieldLayout[]): number {
    const size = run[0]?.bit?.runBytes ?? 0;
    const bytes = this.#byteArray(size);
    const members = run.map(({ name, layout, bit }) => {
      const bits = layout.kind === "bits" ? layout.bits : 0;
      const typedef = wireBitsName({ position: bit?.position ?? 0, bits });
      return { name, type: this.btf.add({ kind: "typedef", name: typedef, type: bytes }), bitOffset: 0, bitSize: 0 };
    });
    return this.btf.add({ kind: "union", name: "", size, members });
  }

  /** Wire order is most significant first; BTF counts from the least significant bit of the byte. */
  #bitMember({ name, layout, offset, bit }: FieldLayout): BtfMember {
    const bits = layout.kind === "bits" ? layout.bits : 0;
    const position = bit?.position ?? 0;
    const byte = offset + (position >> 3);
    const type = this.#integer("u8");
    return { name, type, bitOffset: byte * 8 + 8 - (position % 8) - bits, bitSize: bits };
  }
}

function isInOneByte({ layout, bit }: FieldLayout): boolean {
  return layout.kind === "bits" && bit !== undefined && (bit.position % 8) + layout.bits <= 8;
}

function scalarOf({ bits, signed }: IntType): ScalarLayout {
  const boolean = bits === 1;
  const name = boolean ? "bool" : `${signed ? "i" : "u"}${bits}`;
  return { kind: "scalar", name, size: boolean ? 1 : ((bits / 8) as 1 | 2 | 4 | 8), signed, bigEndian: false, boolean };
}
