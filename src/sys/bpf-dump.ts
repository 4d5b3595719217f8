/** A program as the kernel has it: its instructions after the verifier's rewriting, its machine code, and which source line each is from. */
import { bpf } from "./bpf-call.ts";
import { type Field, INFO } from "./bpf-layout.ts";
import type { ProgramFd } from "./fd.ts";
import { addressOf } from "./ffi.ts";

export interface ProgramDump {
  /** eBPF, 8 bytes a slot; empty when the kernel does not show it to this process. */
  xlated: Uint8Array;
  /** Machine code of all functions, one behind the other; empty when it is interpreted or not shown. */
  jited: Uint8Array;
  /** Where functions begin in `xlated`, with their BTF ids. */
  functions: { slot: number; typeId: number }[];
  /** Where source lines begin in `xlated`; `file` and `text` are offsets into the strings of the program's BTF. */
  lines: { slot: number; file: number; text: number; line: number; column: number }[];
  /** Of each function of the machine code: its address, 0 when the kernel hides addresses, and its bytes. */
  jitedFunctions: { address: bigint; length: number }[];
  /** The address of the machine code of each of `lines`. */
  jitedLines: bigint[];
}

/** What is asked for: the field with the address, that with the number of things, and the bytes of each (null: a field says). */
const PARTS = {
  xlated: ["xlated_prog_insns", "xlated_prog_len", 1],
  jited: ["jited_prog_insns", "jited_prog_len", 1],
  functions: ["func_info", "nr_func_info", "func_info_rec_size"],
  lines: ["line_info", "nr_line_info", "line_info_rec_size"],
  addresses: ["jited_ksyms", "nr_jited_ksyms", 8],
  lengths: ["jited_func_lens", "nr_jited_func_lens", 4],
  jitedLines: ["jited_line_info", "nr_jited_line_info", "jited_line_info_rec_size"],
} as const;

type Name = keyof typeof INFO.program.fields;

/** @throws SyscallError */
export function programDump(fd: ProgramFd): ProgramDump {
  const layout = INFO.program;
  const offset = (field: Name): number => (layout.fields[field] as Field)[0];
  const ask = (bytes: Uint8Array): DataView => {
    bpf("OBJ_GET_INFO_BY_FD", { bpf_fd: fd.number, info_len: bytes.length, info: bytes });
    return new DataView(bytes.buffer);
  };
  // Asked twice: first how much there is.
  const sizes = ask(new Uint8Array(layout.size));
  const request = new Uint8Array(layout.size);
  const view = new DataView(request.buffer);
  const memory = {} as Record<keyof typeof PARTS, Uint8Array>;
  const strides = {} as Record<keyof typeof PARTS, number>;
  for (const [name, [address, count, stride]] of Object.entries(PARTS) as [
    keyof typeof PARTS,
    readonly [Name, Name, Name | number],
  ][]) {
    const number = sizes.getUint32(offset(count), true);
    strides[name] = typeof stride === "number" ? stride : sizes.getUint32(offset(stride), true);
    memory[name] = new Uint8Array(number * strides[name]);
    view.setBigUint64(offset(address), addressOf(memory[name]), true);
    view.setUint32(offset(count), number, true);
    if (typeof stride !== "number") view.setUint32(offset(stride), strides[name], true);
  }
  const answer = ask(request);
  /** The part as records. What the kernel hides has a length and no address. */
  const records = (name: keyof typeof PARTS): DataView[] => {
    const [address, count] = PARTS[name];
    const number = answer.getBigUint64(offset(address), true) === 0n ? 0 : answer.getUint32(offset(count), true);
    const { buffer } = memory[name];
    return Array.from({ length: number }, (_, index) => new DataView(buffer, index * strides[name], strides[name]));
  };
  const shown = (name: "xlated" | "jited"): Uint8Array => {
    const [address, count] = PARTS[name];
    return answer.getBigUint64(offset(address), true) === 0n
      ? new Uint8Array(0)
      : memory[name].subarray(0, answer.getUint32(offset(count), true));
  };
  const lengths = records("lengths").map((record) => record.getUint32(0, true));
  return {
    xlated: shown("xlated"),
    jited: shown("jited"),
    functions: records("functions").map((record) => ({ slot: record.getUint32(0, true), typeId: record.getUint32(4, true) })),
    lines: records("lines").map((record) => {
      const place = record.getUint32(12, true);
      const [slot, file, text] = [record.getUint32(0, true), record.getUint32(4, true), record.getUint32(8, true)];
      return { slot, file, text, line: place >>> 10, column: place & 0x3ff };
    }),
    jitedFunctions: records("addresses").map((record, index) => ({
      address: record.getBigUint64(0, true),
      length: lengths[index] ?? 0,
    })),
    jitedLines: records("jitedLines").map((record) => record.getBigUint64(0, true)),
  };
}
