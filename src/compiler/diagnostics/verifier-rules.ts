/**
 * What the kernel's verifier refuses, and what of ours prevents it: a diagnostic at the line, TypeScript's own checker, or the way in which code is
 * made. docs/verifier.md is generated from this table; a test makes the kernel say each message, and compiles each example.
 */
import { program } from "./catalogue/entry.ts";
import type { DiagnosticCode } from "./catalogue.ts";

export interface VerifierRule {
  /** The message as the kernel prints it; `…` stands for numbers and names. Linux 6.18; older ones say nearly the same. */
  message: string;
  /** What the verifier wants. */
  rule: string;
  /** What prevents it: diagnostics of ours or of TypeScript. None where nothing in a source can lead to it. */
  preventedBy: readonly (DiagnosticCode | `TS${number}`)[];
  /** How the compiler sees to it besides, or instead. */
  because: string;
  /** For diagnostics of TypeScript: a module that gives them. The catalogue has examples of ours. */
  example?: string;
}

export const VERIFIER_RULES: readonly VerifierRule[] = [
  {
    message: "invalid access to packet, off=… size=…, R…(id=…,off=…,r=…)",
    rule: "Bytes of the packet are compared with its end before they are read or written.",
    preventedBy: ["TS18047", "WS2080", "WS4002"],
    because:
      "`ctx.at` gives a view or `null`, and the check for `null` is the comparison; a variable index is compared once more.",
    example: program("const ip = ctx.at(u32, 26);\n  if (ip.value === 1) return XDP_DROP;"),
  },
  {
    message: "R… invalid mem access 'map_value_or_null'",
    rule: "What a lookup gives is compared with null.",
    preventedBy: ["TS18047"],
    because: "`lookup` gives a reference or `null`.",
    example: `const m = array({ value: u32, entries: 1 });\n${program("const e = m.lookup(0);\n  e.value++;")}`,
  },
  {
    message: "R… invalid mem access 'scalar'",
    rule: "Only addresses are followed, and those of the packet only until it moves.",
    preventedBy: ["WS2022", "WS2071"],
    because: "Sources have no addresses, only views, and those know when they die.",
  },
  {
    message: "invalid access to map value, value_size=… off=… size=…",
    rule: "An element is not left.",
    preventedBy: ["WS2009", "WS2080"],
    because: "Fields lie where their schema says.",
  },
  {
    message: "R… unbounded memory access, make sure to bounds check any such access",
    rule: "A variable offset has a bound.",
    preventedBy: ["WS2080"],
    because: "The compiler follows the ranges of numbers as the verifier does, and knows what that forgets.",
  },
  {
    message: "math between … pointer and register with unbounded min value is not allowed",
    rule: "What is added to an address has a bound; in packets at most 65535.",
    preventedBy: ["WS4002"],
    because: "An offset whose bound the verifier cannot see gets one more comparison, which no packet can fail.",
  },
  {
    message: "R… !read_ok",
    rule: "No register is read that was not written on every path.",
    preventedBy: ["TS2454"],
    because: "A variable has a value from its declaration on; helpers' spoiled registers are never read.",
    example: program("let n: u32;\n  if (n === 1) return XDP_DROP;"),
  },
  {
    message: "invalid read from stack R… off=… size=…",
    rule: "What is read of the stack lies in it, and was written on every path (before Linux 6.3, and for helpers).",
    preventedBy: [],
    because: "`local`, keys and values are filled to the last byte, also those that a literal leaves out.",
  },
  {
    message: "invalid write to stack R… off=… size=…",
    rule: "The stack has 512 bytes.",
    preventedBy: ["WS4001"],
    because: "The compiler lays it out, spilled registers included.",
  },
  {
    message: "combined stack size of … calls is …. Too large",
    rule: "All functions of a chain of calls share the 512 bytes.",
    preventedBy: ["WS4001"],
    because: "Chains are added up, 32 bytes at a time, as the kernel does.",
  },
  {
    message: "the call stack of … frames is too deep",
    rule: "At most 8 functions call each other.",
    preventedBy: ["WS4090", "WS1020"],
    because: "Most functions are built into their callers.",
  },
  {
    message: "misaligned stack access off …+…+… size …",
    rule: "Accesses of the stack, and atomic ones anywhere, are aligned.",
    preventedBy: ["WS2021"],
    because: "Wide loads and stores are made where alignment does not matter: in packets and maps.",
  },
  {
    message: "infinite loop detected at insn …",
    rule: "Every loop makes progress that the verifier sees.",
    preventedBy: ["WS1001", "WS2001", "WS2095"],
    because: "Each loop has a counter, a step and a limit.",
  },
  {
    message: "BPF program is too large. Processed … insn",
    rule: "All paths together have a million instructions.",
    preventedBy: ["WS2002", "WS2096", "WS4004"],
    because: "Long loops become calls of `bpf_loop`. A program with very many decisions can exceed it all the same.",
  },
  {
    message: "Unreleased reference id=… alloc_insn=…",
    rule: "A reserved record is submitted or discarded on every path.",
    preventedBy: ["WS2070", "WS2072"],
    because: "Records are followed path by path.",
  },
  {
    message: "write into map forbidden, value_size=… off=… size=…",
    rule: "Constants, and maps that are only read, are not written to.",
    preventedBy: ["WS2008", "WS2076"],
    because: "Settings are places that cannot be assigned to.",
  },
  {
    message: "invalid bpf_context access off=… size=…",
    rule: "A program reads and writes those fields of its context that its hook has.",
    preventedBy: ["TS2339", "TS2540"],
    because: "Each hook has a context type of its own.",
    example: `${program("ctx.length = 60;\n  if (ctx.mark === 1) return XDP_DROP;")}`,
  },
  {
    message: "BPF_ATOMIC stores into R… pkt is not allowed",
    rule: "Atomic additions go to maps and variables.",
    preventedBy: ["WS2020"],
    because: "`atomicAdd` takes nothing else.",
  },
  {
    message: "program of this type cannot use helper bpf_…",
    rule: "A helper is called where the hook has it.",
    preventedBy: ["TS2339", "WS2062"],
    because: "The methods of a context are its hook's.",
    example: program("if (ctx.pull(14)) return XDP_DROP;\n  return ctx.length > 60 ? redirect(2) : ctx.redirectPeer(2);"),
  },
  {
    message: "cannot pass map_type … into func bpf_map_…",
    rule: "Each type of map has functions of its own.",
    preventedBy: ["TS2339", "TS2345"],
    because: "Each type of map has methods of its own.",
    example: `const q = queue({ value: u32, entries: 8 });\n${program("if (q.lookup(0)) return XDP_DROP;\n  if (q.push(ctx)) return XDP_DROP;")}`,
  },
  {
    message: "unreachable insn …",
    rule: "Every instruction can be reached.",
    preventedBy: [],
    because: "Code that cannot be reached is not emitted.",
  },
  {
    message: "invalid shift …",
    rule: "Shifts by constants stay within the width.",
    preventedBy: [],
    because: "The language defines the amount modulo 64, and constants are reduced.",
  },
  {
    message: "div by zero",
    rule: "Nothing is divided by the constant 0.",
    preventedBy: [],
    because: "The language defines the result, and the compiler computes it.",
  },
  {
    message: "dereference of modified ctx ptr R… off=… disallowed",
    rule: "The context's address is used as it came.",
    preventedBy: [],
    because: "Fields of the context are read at constant offsets.",
  },
];
