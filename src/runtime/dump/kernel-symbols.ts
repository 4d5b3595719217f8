/**
 * Names of the kernel's functions by how a program calls them: in machine code by their addresses; in eBPF the verifier has replaced helper
 * numbers by distances from the kernel's `__bpf_call_base`.
 */
import { readFileSync } from "node:fs";
import { instructionText } from "../../object/disassemble.ts";
import type { Instruction } from "../../object/instruction.ts";

export class KernelSymbols {
  readonly #addresses = new Map<bigint, string>();
  #base = 0n;

  /** Reads /proc/kallsyms; without it, or when it hides addresses, nothing has a name. */
  constructor() {
    let text: string;
    try {
      text = readFileSync("/proc/kallsyms", "latin1");
    } catch {
      return;
    }
    // A hundred thousand lines: "ffffffff81234560 T name [module]".
    for (const match of text.matchAll(/^([0-9a-f]+) [tTwW] (\S+)/gm)) {
      const address = BigInt(`0x${match[1]}`);
      if (address === 0n) continue;
      if (!this.#addresses.has(address)) this.#addresses.set(address, match[2] ?? "");
      if (match[2] === "__bpf_call_base") this.#base = address;
    }
  }

  /** The function that begins at this address. */
  named(address: bigint): string | undefined {
    return this.#addresses.get(address);
  }

  /** The function that a call with this immediate reaches; undefined when that is not known. */
  at(immediate: number): string | undefined {
    return this.#base === 0n ? undefined : this.#addresses.get(BigInt.asUintN(64, this.#base + BigInt(immediate)));
  }
}

/** An instruction that calls a function by name, in the words of the disassembler. */
export function callText(instruction: Instruction, name: string): string {
  return instructionText({ ...instruction, reference: { kind: "function", name } });
}
