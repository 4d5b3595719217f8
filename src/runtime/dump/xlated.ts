/** A program's instructions as the kernel runs them, as text, with the source lines that they come from. */
import { instructionText } from "../../object/disassemble.ts";
import { decode } from "../../object/encoding.ts";
import { type Instruction, slots } from "../../object/instruction.ts";
import { ALU, CALL, CLASS, CLASS_MASK, JMP, OPCODE, OPERATION_MASK, PSEUDO, SOURCE } from "../../object/opcodes.ts";
import { mapById, mapInfo, type ProgramDump, unlessGone } from "../../sys/bpf.ts";
import { callText, KernelSymbols } from "./kernel-symbols.ts";
import type { SourceLine, Sources } from "./source-lines.ts";

export interface XlatedLine {
  slot: number;
  text: string;
  /** The function that begins here. */
  function?: string;
  /** The source line that begins here. */
  source?: SourceLine;
}

export function xlatedLines({ xlated }: ProgramDump, sources: Sources): XlatedLine[] {
  const instructions = decode(xlated);
  const symbols = instructions.some(isHelperCall) ? new KernelSymbols() : null;
  const lines = new Map(sources.lines.map(({ slot, ...line }) => [slot, line]));
  const maps = new Map<number, string>();
  let slot = 0;
  return instructions.map((instruction) => {
    const name = sources.functions.get(slot);
    const source = lines.get(slot);
    const text = textOf(instruction, slot, sources, symbols, maps);
    const line = { slot, text, ...(name !== undefined && { function: name }), ...(source && { source }) };
    slot += slots(instruction);
    return line;
  });
}

function textOf(
  instruction: Instruction,
  slot: number,
  sources: Sources,
  symbols: KernelSymbols | null,
  maps: Map<number, string>,
): string {
  const { opcode, src, offset, imm } = instruction;
  if (opcode === OPCODE.CALL && src === CALL.SUBPROGRAM) {
    // Of what the kernel has compiled, the distance is in the offset, and the number of the function in its place.
    const distance = offset !== 0 ? offset : Number(imm);
    const name = sources.functions.get(slot + 1 + distance);
    return name === undefined ? `call pc${distance < 0 ? "" : "+"}${distance}` : callText(instruction, name);
  }
  if (isHelperCall(instruction)) {
    const name = symbols?.at(Number(imm));
    return name === undefined ? instructionText(instruction) : callText(instruction, name);
  }
  if (opcode === OPCODE.LD_IMM64 && (src === PSEUDO.MAP_FD || src === PSEUDO.MAP_VALUE)) {
    const bits = BigInt.asUintN(64, BigInt(imm));
    const name = mapName(Number(bits & 0xffff_ffffn), maps);
    const reference =
      src === PSEUDO.MAP_FD
        ? { kind: "map" as const, name }
        : { kind: "data" as const, section: name, offset: Number(bits >> 32n) };
    return instructionText({ ...instruction, reference });
  }
  // An instruction that only the verifier makes: the address of this CPU's copy.
  if (opcode === (CLASS.ALU64 | ALU.MOV | SOURCE.X) && offset === -1) {
    return `r${instruction.dst} = &(void __percpu *)(r${src})`;
  }
  return instructionText(instruction);
}

function isHelperCall({ opcode, src }: Instruction): boolean {
  const isCall = (opcode & CLASS_MASK) === CLASS.JMP && (opcode & OPERATION_MASK) === JMP.CALL;
  return isCall && src !== CALL.SUBPROGRAM;
}

/** "id:7 stats": the kernel gives the map's id where the program had its descriptor. */
function mapName(id: number, known: Map<number, string>): string {
  let name = known.get(id);
  if (name === undefined) {
    const fd = unlessGone(() => mapById(id));
    name = `id:${id}`;
    if (fd !== null) {
      using map = fd;
      name = `id:${id} ${mapInfo(map).name}`.trimEnd();
    }
    known.set(id, name);
  }
  return name;
}
