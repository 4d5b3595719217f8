/** WS4xxx: limits of the kernel. WS9xxx: defects of the compiler. */
import { type Entry, program } from "./entry.ts";

export const LIMITS = {
  WS4001: {
    what: "{who} needs {bytes} bytes of stack, and the kernel gives 512.",
    why: "Keys and values built from object literals, and values that do not fit registers, live on the stack.",
    fix: "Use smaller keys and values, or build large values in a map's element instead.",
    example:
      "const Big = struct({ a: bytes(128), b: bytes(128), c: bytes(128), d: bytes(136) });\nconst m = hash({ key: Big, value: u32, entries: 1 });\nconst n = hash({ key: u32, value: Big, entries: 1 });\n" +
      program("const b = n.lookup(1);\n  if (b && m.lookup({ a: b.a, b: b.b, c: b.c, d: b.d })) return XDP_DROP;"),
  },
  WS4002: {
    what: "{size} bytes at the packet's offset {offset} lie beyond what the kernel can check.",
    why: "It reaches the packet's first 65535 bytes.",
    fix: "Use a smaller offset, or a smaller schema.",
    example: program("if (ctx.at(Ethernet, 65530)) return XDP_DROP;"),
  },
  WS4003: {
    what: "A byte array of {size} bytes is too long to copy or compare here (at most 256).",
    why: "Copies are unrolled into loads and stores.",
    fix: "Work on a part of it.",
    example:
      "const big = bytes(400);\n" +
      program("const a = ctx.at(big);\n  const b = ctx.at(big, 400);\n  if (a && b && a.equals(b)) return XDP_DROP;"),
  },
  WS4004: {
    what: "The program has {count} instructions, and the kernel takes at most 1000000.",
    why: "That is the verifier's limit.",
    fix: "Use smaller loops and functions, or split the program.",
    example: null,
  },

  WS4005: {
    what: "The source is nested too deeply for the compiler.",
    why: "It follows expressions and blocks as deep as its own stack goes: thousands of levels.",
    fix: "Split the expression into several constants, or a long chain of `else if` into functions.",
    example: null,
  },
  WS4090: {
    what: "Functions call each other {depth} deep: {chain}.",
    why: "The kernel allows 8 functions on its call stack, the program among them.",
    fix: "Let some of them be built into their callers: remove `noinline`.",
    example:
      `${["b", "c", "d", "e", "f", "g", "h", "i"].map((name, index) => `const ${name} = noinline((n: u32): u32 => ${index === 0 ? "n + getPrandomU32()" : `${"abcdefghi"[index]}(n) + 1`});`).join("\n")}\n` +
      program("if (i(ctx.length)) return XDP_DROP;"),
  },
  WS9001: {
    what: "The compiler failed on this code: {detail}",
    why: "This is a defect of Wirescript, not of your program.",
    fix: "Please report it, with the module.",
    example: null,
  },
} as const satisfies Record<string, Entry>;
