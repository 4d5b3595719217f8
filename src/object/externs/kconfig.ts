/**
 * How the kernel was built, as a section of data: `extern int CONFIG_HZ __kconfig`. The variables get their places here, those
 * with the widest alignment first, small before large, and their values from the text of a kernel's configuration. Source:
 * libbpf's bpf_helpers.h (`__kconfig`, `enum libbpf_tristate`).
 */
import { WirescriptError } from "../../errors.ts";
import { sizeOf, underlying } from "../btf/layout.ts";
import type { Btf } from "../btf/types.ts";
import { KCONFIG_SECTION } from "../elf/format.ts";
import type { DataSpec, ExternSpec } from "../spec.ts";

/** Names and values as the configuration's text has them: `y`, `250`, `0x1f`, `"x86"`. */
export type Kconfig = ReadonlyMap<string, string>;

/** Lines such as `CONFIG_HZ=250`; comments and what is no line of this kind are passed over. */
export function parseKconfig(text: string): Kconfig {
  const values = new Map<string, string>();
  for (const [, name, value] of text.matchAll(/^(CONFIG_\w+)=(.*)$/gm)) {
    if (name !== undefined && value !== undefined) values.set(name, value);
  }
  return values;
}

export interface KernelFacts {
  /** As `KERNEL_VERSION` of linux/version.h puts it together. */
  version: number;
  /** Asked for only when a `CONFIG_` variable is needed. */
  config(): Kconfig;
}

const TRISTATE: Readonly<Record<string, bigint>> = { n: 0n, y: 1n, m: 2n };

/**
 * The section `.kconfig`; null when the object has no such variables. `needed`: those that programs use. The others may be
 * anything, and are 0 where they cannot be known.
 *
 * @throws WirescriptError KERNEL for a needed variable that the kernel does not know and that is not `__weak`, BAD_FILE for one whose type
 * cannot hold its value.
 */
export function kconfigSection(
  externs: readonly ExternSpec[],
  btf: Btf,
  needed: ReadonlySet<string>,
  kernel: KernelFacts,
): DataSpec | null {
  const own = externs.filter(({ section }) => section === KCONFIG_SECTION);
  if (own.length === 0) return null;
  const sized = own.map((extern) => ({ extern, size: sizeOf(btf, extern.typeId), align: alignmentOf(btf, extern.typeId) }));
  sized.sort((a, b) => b.align - a.align || a.size - b.size || compare(a.extern.name, b.extern.name));
  let end = 0;
  const placed = sized.map(({ extern, size, align }) => {
    const offset = Math.ceil(end / align) * align;
    end = offset + size;
    return { extern, offset, size };
  });
  if (end > LARGEST) throw badType("The variables of .kconfig", `They take ${end} bytes; a configuration has less.`);
  const bytes = new Uint8Array(end);
  for (const { extern, offset, size } of placed) {
    if (!needed.has(extern.name)) continue;
    const text = valueOf(extern, kernel);
    if (text !== null) bytes.set(encodeValue(btf, extern, size, text), offset);
  }
  const variables = placed.map(({ extern, offset, size }) => ({ name: extern.name, offset, size, typeId: extern.typeId }));
  return { name: KCONFIG_SECTION, bytes, readonly: true, variables };
}

const LARGEST = 1 << 20;

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function alignmentOf(btf: Btf, typeId: number): number {
  const type = underlying(btf, typeId);
  return type?.kind === "array" ? sizeOf(btf, type.type) || 1 : Math.min(8, sizeOf(btf, typeId)) || 1;
}

/** The text of the value; null for a weak variable that the kernel does not have. */
function valueOf({ name, weak }: ExternSpec, kernel: KernelFacts): string | null {
  if (name === "LINUX_KERNEL_VERSION") return String(kernel.version);
  const value = name.startsWith("CONFIG_") ? kernel.config().get(name) : undefined;
  if (value !== undefined) return value;
  if (weak) return null;
  throw new WirescriptError({
    code: "KERNEL",
    what: `The object needs the setting ${name} of the running kernel (__kconfig), which it does not have.`,
    why: name.startsWith("CONFIG_")
      ? "Its configuration does not set it."
      : "Wirescript knows LINUX_KERNEL_VERSION and what begins with CONFIG_.",
    fix: "Declare it __weak: then it is 0 where it is not set.",
  });
}

function encodeValue(btf: Btf, { name, typeId }: ExternSpec, size: number, text: string): Uint8Array {
  const type = underlying(btf, typeId);
  const refuse = (why: string) => badType(`The variable ${name}`, `The kernel says ${name}=${text}, and ${why}.`);
  if (text.startsWith('"')) {
    const element = type?.kind === "array" ? underlying(btf, type.type) : undefined;
    if (element?.kind !== "int" || element.size !== 1) throw refuse("its type is no array of char");
    if (!/^".*"$/.test(text)) throw refuse("that is no whole text");
    const bytes = new Uint8Array(size);
    // The last byte stays zero, however long the text is.
    bytes.set(new TextEncoder().encode(text.slice(1, -1)).subarray(0, Math.max(0, size - 1)));
    return bytes;
  }
  const tristate = TRISTATE[text];
  if (tristate !== undefined) {
    if (type?.kind === "int" && type.encoding === "bool" && text !== "m") return integer(tristate, size);
    if (type?.kind === "int" && type.size === 1 && type.encoding !== "bool") return Uint8Array.of(text.charCodeAt(0));
    if (type?.kind === "enum" && type.name === "libbpf_tristate") return integer(tristate, size);
    throw refuse(text === "m" ? "its type is neither char nor enum libbpf_tristate" : "its type is no bool, char or tristate");
  }
  if (!/^-?(\d+|0x[0-9a-f]+)$/i.test(text)) throw refuse("that is no number");
  if (type?.kind !== "int" || type.encoding === "bool" || type.size > 8) throw refuse("its type is no integer");
  const value = text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
  const fits = type.encoding === "signed" ? BigInt.asIntN(size * 8, value) : BigInt.asUintN(size * 8, value);
  if (fits !== value) throw refuse(`its type has ${size} bytes`);
  return integer(value, size);
}

function integer(value: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
  return bytes.subarray(0, size);
}

function badType(what: string, why: string): WirescriptError {
  return new WirescriptError({
    code: "BAD_FILE",
    what: `${what} cannot hold what it stands for.`,
    why,
    fix: "Declare it with a type that fits.",
  });
}
