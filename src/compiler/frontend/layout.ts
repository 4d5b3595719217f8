/** How a schema lies in memory: the compiler's view of `struct`, `arrayOf`, `bytes`, `bits` and the integer types. */
export interface ScalarLayout {
  kind: "scalar";
  /** The schema's name, e.g. "be16". */
  name: string;
  /** Bytes. */
  size: 1 | 2 | 4 | 8;
  signed: boolean;
  bigEndian: boolean;
  boolean: boolean;
}

export interface BytesLayout {
  kind: "bytes";
  size: number;
}

export interface BitsLayout {
  kind: "bits";
  bits: number;
}

export interface StructLayout {
  kind: "struct";
  /** Name of the constant that holds the schema; "" when it has none. */
  name: string;
  size: number;
  fields: FieldLayout[];
  /** All fields lie over the same bytes. */
  overlay?: true;
}

export interface ArrayLayout {
  kind: "array";
  element: SizedLayout;
  length: number;
  /** Bytes of the whole array. */
  size: number;
}

export interface FieldLayout {
  name: string;
  layout: Layout;
  /** Bytes from the start of the struct; for a bit field, of the run of bit fields that it is in. */
  offset: number;
  /** For a bit field: bits from the start of its run, in wire order, and the run's length in bytes. */
  bit?: { position: number; runBytes: number };
}

/** A layout that has a size in bytes by itself. */
export type SizedLayout = ScalarLayout | BytesLayout | StructLayout | ArrayLayout;
/** What a view can lie over. */
export type ViewLayout = StructLayout | ArrayLayout;
export type Layout = SizedLayout | BitsLayout;

const scalar = (name: string, size: 1 | 2 | 4 | 8, signed = false): [string, ScalarLayout] => [
  name,
  { kind: "scalar", name, size, signed, bigEndian: name.startsWith("be"), boolean: name === "bool" },
];

/** The integer schemas of wirescript/kernel, by name. */
export const SCALARS: ReadonlyMap<string, ScalarLayout> = new Map([
  scalar("u8", 1),
  scalar("u16", 2),
  scalar("u32", 4),
  scalar("u64", 8),
  scalar("i8", 1, true),
  scalar("i16", 2, true),
  scalar("i32", 4, true),
  scalar("i64", 8, true),
  scalar("be16", 2),
  scalar("be32", 4),
  scalar("be64", 8),
  scalar("bool", 1),
]);

/**
 * Lays fields out one after the other, packed, bit fields most significant first.
 *
 * @returns the name of a bit field whose run does not fill whole bytes, when there is one.
 */
export function structLayout(name: string, fields: [string, Layout][]): StructLayout | { incomplete: string } {
  const result: StructLayout = { kind: "struct", name, size: 0, fields: [] };
  let run: FieldLayout[] = [];
  let runBits = 0;
  const closeRun = (): boolean => {
    if (runBits % 8 !== 0) return false;
    for (const field of run) if (field.bit !== undefined) field.bit.runBytes = runBits / 8;
    result.size += runBits / 8;
    run = [];
    runBits = 0;
    return true;
  };
  for (const [fieldName, layout] of fields) {
    if (layout.kind === "bits") {
      const field = { name: fieldName, layout, offset: result.size, bit: { position: runBits, runBytes: 0 } };
      runBits += layout.bits;
      run.push(field);
      result.fields.push(field);
      continue;
    }
    if (!closeRun()) return { incomplete: run[0]?.name ?? fieldName };
    result.fields.push({ name: fieldName, layout, offset: result.size });
    result.size += layout.size;
  }
  if (!closeRun()) return { incomplete: run[0]?.name ?? "" };
  return result;
}

/** Lays all members over the same bytes. */
export function overlayLayout(members: readonly [string, SizedLayout][]): StructLayout {
  const fields = members.map(([name, layout]) => ({ name, layout, offset: 0 }));
  return { kind: "struct", name: "", size: Math.max(0, ...members.map(([, { size }]) => size)), fields, overlay: true };
}

export function arrayLayout(element: SizedLayout, length: number): ArrayLayout {
  return { kind: "array", element, length, size: element.size * length };
}

/** Whether equal bytes are equal values in both: names of structs do not matter, byte orders and names of fields do. */
export function sameLayout(left: Layout, right: Layout): boolean {
  if (left === right) return true;
  switch (left.kind) {
    case "scalar":
      return right.kind === "scalar" && left.name === right.name;
    case "bytes":
      return right.kind === "bytes" && left.size === right.size;
    case "bits":
      return right.kind === "bits" && left.bits === right.bits;
    case "array":
      return right.kind === "array" && left.length === right.length && sameLayout(left.element, right.element);
    case "struct":
      return (
        right.kind === "struct" &&
        left.size === right.size &&
        left.overlay === right.overlay &&
        left.fields.length === right.fields.length &&
        left.fields.every((field, index) => sameField(field, right.fields[index]))
      );
  }
}

function sameField(left: FieldLayout, right: FieldLayout | undefined): boolean {
  if (right === undefined || left.name !== right.name || left.offset !== right.offset) return false;
  return left.bit?.position === right.bit?.position && sameLayout(left.layout, right.layout);
}

/** For messages: "be16", "6 bytes", "Ethernet", "4 × u32". */
export function layoutName(layout: Layout): string {
  switch (layout.kind) {
    case "scalar":
      return layout.name;
    case "bytes":
      return `${layout.size} bytes`;
    case "bits":
      return `${layout.bits} bits`;
    case "array":
      return `${layout.length} × ${layoutName(layout.element)}`;
    case "struct":
      return layout.name === ""
        ? `${layout.overlay === true ? "an overlay" : "a struct"} of ${layout.size} bytes`
        : layout.name;
  }
}
