/** WS3xxx: declarations: programs, maps and schemas. */
import { type Entry, program } from "./entry.ts";

export const DECLARATIONS = {
  WS3001: {
    what: "This module exports no program.",
    why: "The loader attaches programs that the module exports.",
    fix: "Write `export const name = xdp((ctx) => …);`.",
    example: "export const n = 1;",
  },
  WS3002: {
    what: "{kind} must be declared as a constant of the module: `const name = {call}(…)`.",
    why: "The kernel makes it once, when the program is loaded.",
    fix: "Move the declaration to the top level of the module.",
    example: program("const m = array({ value: u32, entries: 1 });\n  if (!m.lookup(0)) return XDP_DROP;"),
  },
  WS3003: {
    what: "A schema must be built from constants.",
    why: "Its layout is fixed when the program is compiled.",
    fix: "Use `struct({ … })`, `bytes(n)`, `bits(n)` and the integer types with literal sizes.",
    example: program("const part = bytes(ctx.length);\n  if (ctx.at(part)) return XDP_DROP;"),
  },
  WS3004: {
    what: "The bit fields around `{name}` do not fill whole bytes.",
    why: "Bit fields stand in wire order and share bytes: together they must be a multiple of eight bits, each of 1 to 32 bits.",
    fix: "Add the missing bits, for example `reserved: bits(4)`.",
    example:
      "const S = struct({ a: bits(3), b: u8 });\nconst m = array({ value: S, entries: 1 });\n" +
      program("if (!m.lookup(0)) return XDP_DROP;"),
  },
  WS3005: {
    what: "`entries` and `pinned` of a map must be constants, and `entries` 1 to 4294967295.",
    why: "The kernel reserves the map's size when it makes it.",
    fix: "Write a number, or a `const` of the module.",
    example: `const m = array({ value: u32, entries: 0 });\n${program("if (!m.lookup(0)) return XDP_DROP;")}`,
  },
  WS3006: {
    what: "There are two {kind}s with the name `{name}`.",
    why: "Names of maps and programs identify them in the object and in the kernel.",
    fix: "Rename one of them.",
    example: 'export const p = xdp(() => XDP_PASS);\nexport const q = xdp(() => XDP_DROP, { name: "p" });',
  },
  WS3007: {
    what: "A program's options must be constants: `section` and `name` are strings.",
    why: "They name the program in the object file.",
    fix: 'Write them as literals: `xdp(f, { section: "xdp_pass" })`.',
    example: null,
  },
  WS3008: {
    what: "A program for {hook} cannot be in a section of this name.",
    why: "Loaders tell from a section's name what is in it, and this one stands for something else.",
    fix: 'Use "xdp" or "tc", or a name that stands for no type, such as "filter"; for `frags` "xdp.frags". ".text" is for the one program of a module, without functions that are called.',
    example: 'export const p = xdp(() => XDP_PASS, { section: "tc" });',
  },
  WS3009: {
    what: "The name `{name}` cannot be used: {reason}.",
    why: "It becomes a symbol of the object file, and the kernel, which shows 15 characters of it, takes letters, digits and `_` only.",
    fix: "Choose a name of plain letters, digits and underscores; for a map one of at most 15 characters.",
    example:
      "const a_map_with_a_long_name = array({ value: u32, entries: 1 });\n" +
      program("if (!a_map_with_a_long_name.lookup(0)) return XDP_DROP;"),
  },
  WS3010: {
    what: "The map `{name}` is exported under another name, `{alias}`.",
    why: "User space finds a map by the name of its constant, which is its name in the object and in the kernel.",
    fix: "Export it under its own name.",
    example: `const table = array({ value: u32, entries: 1 });\nexport { table as other };\n${program("")}`,
  },
  WS3011: {
    what: "The key of an `lpmTrie` must be a struct that starts with a `u32`: the number of bits that count.",
    why: "The kernel compares that many bits of the bytes behind it (struct bpf_lpm_trie_key).",
    fix: "Write `struct({ prefixLength: u32, address: be32 })`.",
    example: `const t = lpmTrie({ key: be32, value: u32, entries: 1 });\n${program("if (t.lookup(1)) return XDP_DROP;")}`,
  },
  WS3012: {
    what: "A setting must have a constant to start from.",
    why: "It is a constant in the object that the loader can replace.",
    fix: "Write `const port = setting(u16, 80)` or `const gateway = setting(mac, mac(0x02, 0, 0, 0, 0, 1))`.",
    example: `const s = setting(struct({ a: u64 }), { a: ktimeGetNs() });\n${program("if (s.a) return XDP_DROP;")}`,
  },
  WS3013: {
    what: "`bits({bits})` can be a field of a struct only.",
    why: "Bit fields share bytes with their neighbours: one alone has no size in bytes.",
    fix: "Use an integer such as `u8` here, or a struct with the bit fields.",
    example: `const m = array({ value: bits(4), entries: 1 });\n${program("if (m.lookup(0)) return XDP_DROP;")}`,
  },
  WS3014: {
    what: "`{call}`: the number must be from {least} to {most}.",
    why: "Bit fields fit 32-bit integers. Byte arrays and arrays have something in them, and not more than the kernel reaches of a packet.",
    fix: "Choose a number in this range; make what is larger of parts: `arrayOf(bytes(1024), 64)`.",
    example: program("if (ctx.at(bytes(70000))) return XDP_DROP;"),
  },
  WS3015: {
    what: "A `struct` needs a field.",
    why: "It says what lies in memory, and of nothing there is no memory: no map holds it, and no packet.",
    fix: "Give it a field. A set of keys is a map with a small value: `hash({ key: be32, value: u8, entries: 64 })`.",
    example: `const m = hash({ key: u32, value: struct({}), entries: 1 });\n${program("if (m.lookup(0)) return XDP_DROP;")}`,
  },
  WS3016: {
    what: "A `{type}` cannot have {entries} entries: the kernel makes it with at most {limit}.",
    why: "{reason}.",
    fix: "Use fewer entries, or several maps.",
    example: `const m = hash({ key: u32, value: u32, entries: 4294967295 });\n${program("if (m.lookup(0)) return XDP_DROP;")}`,
  },
  WS3070: {
    what: "`bytes` of a `ringBuffer` must be a constant: a power of two, and at least 4096.",
    why: "The kernel keeps the ring in whole pages, and finds a place in it by a mask.",
    fix: "Write 4096, 8192 … up to 2 ** 31, as a number or a `const` of the module.",
    example: `const events = ringBuffer({ value: u64, bytes: 5000 });\n${program('if (events.query("availableData")) return XDP_DROP;')}`,
  },
  WS3071: {
    what: "`inner` must declare the maps inside right here, and not as pinned.",
    why: "It says what they look like; user space makes them, and pins them if it wants to.",
    fix: "Write `inner: hash({ key: be32, value: u32, entries: 64 })`, or another type of map but those of maps and programs.",
    example: `const table = hash({ key: u32, value: u32, entries: 8 });\nconst tables = arrayOfMaps({ inner: table, entries: 4 });\n${program("if (tables.lookup(1)) return XDP_DROP;")}`,
  },
  WS3073: {
    what: "`hashes` of a `bloomFilter` must be a constant from 1 to 15.",
    why: "It is how many hash functions the kernel computes for each value.",
    fix: "Leave it out, which gives 5, or write a number.",
    example: `const f = bloomFilter({ value: u32, entries: 100, hashes: 16 });\n${program("if (f.has(1)) return XDP_DROP;")}`,
  },
  WS3074: {
    what: "The {part} of this `{type}` would have {size} bytes, and the kernel takes at most {limit}.",
    why: "Beyond that it makes no map: a trie compares at most 256 bytes, a CPU's copy of a value fits its share of per-CPU memory.",
    fix: "Use a smaller schema, or spread the value over several elements.",
    example: `const Prefix = struct({ prefixLength: u32, name: bytes(300) });\nconst t = lpmTrie({ key: Prefix, value: u32, entries: 8 });\n${program("const key = ctx.at(Prefix);\n  if (key && t.lookup(key)) return XDP_DROP;")}`,
  },
  WS3076: {
    what: "`anySize` is for the arrays in a map of maps.",
    why: "The size of any other array is fixed by `entries` here, or by the loader.",
    fix: "Leave it out.",
    example: `const m = array({ value: u32, entries: 8, anySize: true });\n${program("if (!m.lookup(0)) return XDP_DROP;")}`,
  },
  WS3060: {
    what: "A program must be a constant of a module: `const name = xdp(…)`.",
    why: "Programs are known, and put together by `chain`, before any code runs.",
    fix: "Declare each program at the top level of a module, and give `chain` their names.",
    example:
      "const make = (n: u32) => xdp((ctx) => (ctx.length > n ? XDP_DROP : XDP_PASS));\nexport const p = chain(make(60), make(90));",
  },
  WS3080: {
    what: "The first value of `{name}` must be a constant.",
    why: "It is in the object before any code runs.",
    fix: "Start with a number, and set it from user space or in a program.",
    example: `let started: u64 = ktimeGetNs();\n${program("if (started) return XDP_DROP;")}`,
  },
} as const satisfies Record<string, Entry>;
