/** Names of functions and texts of source lines of a program in the kernel, from the BTF that was loaded with it. */
import { decodeBtf } from "../../object/btf/decode.ts";
import { btfById, btfBytes, type ProgramDump, unlessGone } from "../../sys/bpf.ts";

export interface SourceLine {
  file: string;
  /** 1-based. */
  line: number;
  column: number;
  /** Without indentation. */
  text: string;
}

export interface Sources {
  /** By the slot at which it begins. */
  functions: Map<number, string>;
  /** In the order of `ProgramDump.lines`. */
  lines: (SourceLine & { slot: number })[];
}

export function sourcesOf(dump: ProgramDump, btfId: number): Sources {
  const none: Sources = { functions: new Map(), lines: [] };
  const fd = btfId === 0 ? null : unlessGone(() => btfById(btfId));
  if (fd === null) return none;
  using opened = fd;
  const { types, strings } = decodeBtf(btfBytes(opened), `The kernel's BTF ${btfId}`);
  return {
    functions: new Map(
      dump.functions.flatMap(({ slot, typeId }) => {
        const type = types[typeId - 1];
        return type?.kind === "func" ? [[slot, type.name] as const] : [];
      }),
    ),
    lines: dump.lines.map(({ slot, file, text, line, column }) => ({
      slot,
      file: strings.at(file),
      text: strings.at(text).trim(),
      line,
      column,
    })),
  };
}
