/** WS2xxx: values, types and calls. */
import { type Entry, program, tc } from "./entry.ts";

export const VALUES = {
  WS2001: {
    what: "The compiler cannot see how often this loop runs.",
    why: "The kernel must see that every loop ends. A loop has one counter, which only the loop's head changes, by a constant in each round.",
    fix: "Write `for (let i = 0; i < LIMIT; i++)` or `for (const i of range(n))`, and `break` when you are done.",
    example: program("for (let i = 1; i < ctx.length; i *= 2) { }"),
  },
  WS2002: {
    what: "This loop runs too often: {rounds} rounds.",
    why: "The kernel makes 8388607 rounds at most, however small the body.",
    fix: "Use fewer rounds. A packet has at most 65535 bytes, and a program that takes long loses packets.",
    example: program("let n = 0;\n  for (let i = 0; i < 10000000; i++) n += i;\n  if (n === 7) return XDP_DROP;"),
  },
  WS2003: {
    what: "`{name}` cannot be called in kernel code.",
    why: "Only functions written in this language and those of wirescript/kernel exist in the kernel.",
    fix: "Write the function in a *.bpf.ts module, or do this in user space.",
    example: `declare function outside(): u32;\n${program("if (outside()) return XDP_DROP;")}`,
  },
  WS2004: {
    what: "`{name}` is not a constant that the compiler knows.",
    why: "Module-level values must be constants, functions, schemas, maps or programs, so that they need no memory.",
    fix: "Give it a value right here with `const`.",
    example: `declare const limit: u32;\n${program("if (ctx.length > limit) return XDP_DROP;")}`,
  },
  WS2005: {
    what: "The type `any` is not supported.",
    why: "TypeScript checks nothing of such a value, and the compiler must know every type to lay it out.",
    fix: "Give it the type that it has, or a type parameter.",
    example: `function f(x: any): u32 {\n  return x;\n}\n${program("if (f(1)) return XDP_DROP;")}`,
  },
  WS2006: {
    what: "A function cannot be kept in a variable that changes, or returned on some paths only.",
    why: "The compiler must know which function is called, since it builds it into its caller.",
    fix: "Call the functions under an `if` instead.",
    example: program("const f = ctx.length > 9 ? () => 1 : () => 2;\n  if (f()) return XDP_DROP;"),
  },
  WS2007: {
    what: "These values cannot be joined: {left} here, {right} on another path.",
    why: "A value must have one layout on every path.",
    fix: "Use an `if` and handle each case on its own.",
    example: program("const a = ctx.at(Ethernet);\n  const b = ctx.length > 99 ? a : { dst: 1 };\n  if (b) return XDP_DROP;"),
  },
  WS2008: {
    what: "This cannot be assigned to.",
    why: "It is a constant, the context, or a copy that belongs to nobody.",
    fix: "Assign to a `let` variable or to a field of a packet, of a map's value, or of an object literal held by a `const`.",
    example: `const limits = { low: 1 };\n${program("limits.low = 2;")}`,
  },
  WS2009: {
    what: "There is no element of this index: they are 0 to {last}.",
    why: "The kernel refuses a program that could reach beside an array.",
    fix: "Use an index inside the array.",
    example: program("const eth = ctx.at(Ethernet);\n  if (eth && eth.dst[6] === 1) return XDP_DROP;"),
  },
  WS2026: {
    what: "A byte of this copy cannot be written.",
    why: "A name for a byte array holds the bytes, not their place; only those that a `let` holds can be changed.",
    fix: "Declare it with `let`: `let copy = eth.src`. To change the packet or a map's value itself, name the field: `eth.src[5] = 1`.",
    example: program("const m = bytes(6)(1, 2, 3, 4, 5, 6);\n  m[0] = ctx.length & 1;\n  if (m[0]) return XDP_DROP;"),
  },
  WS2010: {
    what: "A condition cannot be made of {kind}.",
    why: "Only booleans, integers and values that may be `null` are true or false.",
    fix: "Compare it with something.",
    example: program("if (Ethernet) return XDP_DROP;"),
  },
  WS2011: {
    what: "`&&` of a number or boolean and something else works in conditions only.",
    why: "Its value would be of two kinds: 0 or false when the left side decides, else what the right side is.",
    fix: "Use `?:` with `null`, or an `if`.",
    example: program("const eth = ctx.length > 99 && ctx.at(Ethernet);\n  if (eth) return XDP_DROP;"),
  },
  WS2012: {
    what: "`trace` takes at most three values, and printable ASCII text without line breaks.",
    why: "The kernel helper bpf_trace_printk has five arguments, of which the text takes two; it ends the line itself.",
    fix: "Write two `trace` calls for more values, and spell other characters out.",
    example: program("trace`${1} ${2} ${3} ${4}`;"),
  },
  WS2013: {
    what: "`{operator}` cannot be used on {kind}.",
    why: "It works on integers.",
    fix: "Use a field of it, or `equals` to compare byte arrays.",
    example: program("const eth = ctx.at(Ethernet);\n  if (eth && eth.src === eth.dst) return XDP_DROP;"),
  },
  WS2014: {
    what: "This value cannot become {target}.",
    why: "It is {kind}.",
    fix: "Build an object literal with the fields of the schema, or use a value of that schema.",
    example: null,
  },
  WS2015: {
    what: "The sizes of `csumDiff`'s byte arrays must be multiples of four.",
    why: "The kernel's helper sums words of four bytes.",
    fix: "Use a schema of 4, 8, 12 … bytes.",
    example: program("const eth = ctx.at(Ethernet);\n  if (eth && csumDiff(null, eth.src, 0) === 1) return XDP_DROP;"),
  },
  WS2016: {
    what: "An object literal whose fields change cannot be chosen among others, or reassigned.",
    why: "The compiler would not know which of them a later change means.",
    fix: "Use one object and change its fields, or do not assign to its fields.",
    example: program(
      "const a = { n: 1 };\n  const b = { n: 2 };\n  const c = ctx.length > 9 ? a : b;\n  c.n = 3;\n  if (a.n === 3) return XDP_DROP;",
    ),
  },
  WS2017: {
    what: "The mode of a map's method must be a constant.",
    why: "It becomes a flag of the kernel helper.",
    fix: 'Write it as a literal, such as "any", "noexist" or "exist" for `update`.',
    example: null,
  },
  WS2018: {
    what: "`{name}` is used as `null` before the compiler knows what else it can hold.",
    why: "It gets its first other value further down, in a later round of the loop.",
    fix: "Start it with a value of its kind, or keep what you need of it in integers.",
    example: null,
  },
  WS2019: {
    what: "The number `{text}` is too large to be exact.",
    why: "TypeScript's numbers are exact up to 2^53 - 1.",
    fix: "Write it as a bigint in a cast: `u64(0x123456789abcdef0n)`.",
    example: program("if (ctx.length === 0x123456789abcdef0) return XDP_DROP;"),
  },
  WS2020: {
    what: "This cannot be added to atomically.",
    why: "The kernel has atomic addition for `u32`, `u64`, `i32` and `i64` fields in host byte order in a map's element.",
    fix: "Use such a field: `atomicAdd(counter.packets, 1)`.",
    example: program("const eth = ctx.at(Ethernet);\n  if (eth) atomicAdd(eth.type, 1);"),
  },
  WS2021: {
    what: "This field does not lie at a multiple of its {size} bytes.",
    why: "The kernel adds atomically to aligned fields only, and structs have no padding. A trie's values begin right behind its keys.",
    fix: "Put larger fields first, or add a field such as `reserved: u32` before it. In a trie of IPv4 prefixes use a field of 4 bytes.",
    example: `const m = array({ value: struct({ a: u32, b: u64 }), entries: 1 });\n${program("const e = m.lookup(0);\n  if (e) atomicAdd(e.b, 1);")}`,
  },
  WS2022: {
    what: "This view is dead: `{call}` in line {line} moved the packet.",
    why: "The kernel forgets every address in the packet when its start or end moves.",
    fix: "Call `ctx.at` again after it.",
    example: program(
      "const eth = ctx.at(Ethernet);\n  if (!eth || !ctx.adjustHead(4)) return XDP_DROP;\n  if (eth.type === 1) return XDP_DROP;",
    ),
  },
  WS2023: {
    what: "A loop of this length cannot move the packet.",
    why: "All its rounds together are too much code to be unrolled, and in a loop views would be good in the first round only.",
    fix: "Move the packet once, outside of the loop. Or use fewer rounds, or a smaller body: what need not be in the loop goes in front of it, what is large into a `noinline` function.",
    example: program("for (let i = 0; i < 500; i++) {\n    if (!ctx.adjustHead(1)) break;\n  }"),
  },
  WS2024: {
    what: "`fibLookup` needs a struct of {size} bytes on the stack.",
    why: "The helper reads and fills in a struct bpf_fib_lookup.",
    fix: "Use `fibLookupIPv4` or `fibLookupIPv6` of wirescript/net, or `local(…)` with a schema of that size.",
    example: program("const eth = ctx.at(Ethernet);\n  if (eth && fibLookup(ctx, eth, 0) === 0) return XDP_DROP;"),
  },
  WS2025: {
    what: "`{name}`, which may be `null`, cannot be assigned to here.",
    why: "TypeScript would go on believing in an earlier check for `null` that this assignment undoes, and the kernel's verifier would not.",
    fix: "Assign to such a variable in the function that declares it only, and keep such references out of fields that change.",
    example: program(
      "let eth = ctx.at(Ethernet);\n  if (!eth) return XDP_DROP;\n  const move = () => { eth = ctx.at(Ethernet, 100); };\n  move();\n  if (eth.type === 1) return XDP_DROP;",
    ),
  },
  WS2060: {
    what: "The options of this call must be an object literal of constants.",
    why: "They become flags of the kernel's helper function.",
    fix: "Write them out, as in `ctx.redirect(7, { ingress: true })`.",
    example: tc("return ctx.redirect(7, { ingress: ctx.mark === 1 });"),
  },
  WS2061: {
    what: "A checksum is updated for a field of two or four bytes.",
    why: "That is what the kernel's helper function takes: the field's old and new value as they lie in the packet.",
    fix: "Name the field's type, as in `ctx.replaceL3Checksum(24, be16, from, to)`; for longer fields use `csumDiff` and `addToL3Checksum`.",
    example: tc("if (!ctx.replaceL3Checksum(24, u64, 1, 2)) return TC_ACT_SHOT;"),
  },
  WS2062: {
    what: "`{call}` cannot be used in a program for {hook}.",
    why: "The kernel has the helper function behind it for other types of programs only.",
    fix: "Use what the program's context offers: `ctx.redirect` on TC, `adjustHead` and redirecting maps on XDP.",
    example: `const ports = devMap({ entries: 4 });\n${tc("ports.redirect(1);")}`,
  },
  WS2063: {
    what: "`{name}` cannot hold programs for {hook}: another tail call makes it an array of programs for {other}.",
    why: "The kernel keeps programs of one kind in an array, and refuses to load a program of another kind that uses it.",
    fix: "Declare a `progArray` for each kind.",
    example: `const next = progArray({ entries: 4 });\n${program("next.tailCall(ctx, 0);")}\n${tc("next.tailCall(ctx, 1);").replace("p =", "q =")}`,
  },
  WS2080: {
    what: "This index can be beyond the array's {length} elements.",
    why: "The kernel refuses a program that could reach beside an array, and nothing here says that the index is at most {last}.",
    fix: "Check it first (`if (i < {length}) …`), or bound it: `i % {length}`. What is read from memory may have changed since it was checked: keep it in a `const`, and check and use that.",
    example: `const m = array({ value: struct({ slots: arrayOf(u32, 4) }), entries: 1 });\n${program("const e = m.lookup(0);\n  if (e && e.slots[ctx.length] === 1) return XDP_DROP;")}`,
  },
  WS2081: {
    what: "An array literal has no elements at variable indexes.",
    why: "It is not in memory: each element is a value of its own.",
    fix: "Make it a constant of the module, `const table = setting(arrayOf(u16, 4), [1, 2, 3, 4])`, or put it on the stack with `local(arrayOf(u16, 4), […])`.",
    example: program("const a = [1, 2];\n  if (a[ctx.length & 1] === 1) return XDP_DROP;"),
  },

  WS2070: {
    what: "This record is neither submitted nor discarded on the path through line {line}.",
    why: "Its room in the ring buffer would be lost, and what comes after it would never be read: the kernel refuses such a program.",
    fix: "Call `submit(record)` or `discard(record)` before every `return`, and in the same round of a loop.",
    example: `const events = ringBuffer({ value: u64, bytes: 4096 });\n${program("const e = events.reserve();\n  if (!e) return XDP_PASS;\n  if (ctx.length > 99) return XDP_DROP;\n  events.submit(e);")}`,
  },
  WS2071: {
    what: "This record is used after line {line} gave it away.",
    why: "Once it is submitted or discarded it belongs to user space, and the kernel forgets its address: not even a comparison with `null` is left.",
    fix: "Do this before, or keep what you need of it in a variable.",
    example: `const events = ringBuffer({ value: u64, bytes: 4096 });\n${program("const e = events.reserve();\n  if (e) {\n    events.submit(e);\n    e.value = 1;\n  }")}`,
  },
  WS2072: {
    what: "This tail call leaves the record of line {line} behind.",
    why: "It does not come back, so that the record would be neither submitted nor discarded.",
    fix: "Submit or discard the record before the tail call.",
    example: `const events = ringBuffer({ value: u64, bytes: 4096 });\nconst next = progArray({ entries: 1 });\n${program("const e = events.reserve();\n  if (!e) return XDP_PASS;\n  next.tailCall(ctx, 0);\n  events.submit(e);")}`,
  },
  WS2073: {
    what: "`{method}` cannot take this: it is {kind}.",
    why: "It takes what `reserve` of the same ring buffer gave, as a whole.",
    fix: "Keep what `reserve` gives in a `const`, check it for `null`, and give that.",
    example: `const events = ringBuffer({ value: u64, bytes: 4096 });\nconst others = ringBuffer({ value: u64, bytes: 4096 });\n${program("const e = events.reserve();\n  if (!e) return XDP_PASS;\n  others.submit(e);")}`,
  },
  WS2074: {
    what: "A record of {size} bytes never fits the ring buffer {name} of {bytes} bytes.",
    why: "Each record has 8 bytes in front of it.",
    fix: "Give the ring buffer more `bytes`: a power of two.",
    example: `const Large = struct({ text: bytes(5000) });\nconst events = ringBuffer({ value: Large, bytes: 4096 });\n${program("const e = events.reserve();\n  if (e) events.discard(e);")}`,
  },
  WS2075: {
    what: "There are too many ways through this program for its records to be followed.",
    why: "Each must be submitted or discarded on every path, and the compiler looks at all of them.",
    fix: "Submit each record close to where it is reserved, in the same function and the same round of a loop.",
    example: null,
  },
  WS2076: {
    what: "Programs cannot write to this map.",
    why: "It is declared with `readOnly`, and the kernel refuses programs that write to such a map.",
    fix: "Write to it from user space, or leave `readOnly` out.",
    example: `const limits = array({ value: u64, entries: 4, readOnly: true });\n${program("const limit = limits.lookup(1);\n  if (limit) limit.value++;")}`,
  },
  WS2082: {
    what: "A literal for an overlay names one of its members ({names}); this one names {count}.",
    why: "They lie over the same bytes: one would overwrite the other.",
    fix: "Write the one that is meant; the bytes that it leaves are zero.",
    example: `const m = hash({ key: overlay({ v4: be32, v6: bytes(16) }), value: u32, entries: 4 });\n${program("const v6 = bytes(16)(1);\n  if (m.lookup({ v4: 1, v6 })) return XDP_DROP;")}`,
  },
  WS2083: {
    what: "`viewAs` needs a place in memory, and this is {what}.",
    why: "It sees the same bytes under another schema.",
    fix: "Give it a field or view of the packet, of a map's element, or of a `local`.",
    example: program(
      "const eth = ctx.at(Ethernet);\n  const src = eth?.src;\n  if (src && viewAs(src, u16).value) return XDP_DROP;",
    ),
  },
  WS2084: {
    what: "{name} has {wanted} bytes, and this place has {size}.",
    why: "The kernel refuses a program that could reach beside what was checked.",
    fix: "Use a schema that is not longer, or ask for the packet again: `ctx.at(schema, offset)`.",
    example: program("const eth = ctx.at(Ethernet);\n  if (eth && viewAs(eth.src, u64).value) return XDP_DROP;"),
  },
  WS2085: {
    what: "{value} does not fit {type}, which holds {least} to {most}.",
    why: "It would become {wrapped}.",
    fix: "Write a number in that range, or say that it wraps with a cast: `{cast}({value})`.",
    example: program("const ttl: u8 = 300;\n  if (ctx.length > ttl) return XDP_DROP;"),
  },
  WS2090: {
    what: "`{name}` is compiled as a function of its own, which cannot take {kind}.",
    why: "A function of its own gets its arguments in registers: integers, booleans, references to packet and maps, object literals of these that nobody changes, and what is known at compile time.",
    fix: "Pass the fields that it needs, or let it be built into its caller: remove `noinline`.",
    example:
      "const f = noinline((o: { n: number }): number => o.n++);\n" +
      program("const o = { n: ctx.length };\n  if (f(o) && o.n) return XDP_DROP;"),
  },
  WS2091: {
    what: "`{name}` is compiled as a function of its own, and would take {count} registers of arguments.",
    why: "The kernel passes five at most. The context takes one when the function uses it, a byte array one for every 8 bytes.",
    fix: "Pass fewer arguments, or a view that they can be read from; or let it be built into its caller: remove `noinline`.",
    example:
      "const f = noinline((a: u32, b: u32, c: u32, d: u32, e: u32, g: u32): u32 => a + b + c + d + e + g);\n" +
      program("if (f(1, 2, 3, 4, 5, ctx.length)) return XDP_DROP;"),
  },
  WS2092: {
    what: "`{name}` is compiled as a function of its own, and cannot use `{captured}` of the function around it.",
    why: "Only what is passed to it reaches a function of its own.",
    fix: "Add a parameter for `{captured}`, or let the function be built into its caller: remove `noinline`.",
    example: program("const n = ctx.length;\n  const f = noinline((): u32 => n);\n  if (f() > 60) return XDP_DROP;"),
  },
  WS2093: {
    what: "`{name}` is compiled as a function of its own, which cannot return {kind}.",
    why: "It returns one register: an integer, a boolean, an action, or a reference to the packet or a map, or null instead of one.",
    fix: "Return one of these, or let it be built into its caller: remove `noinline`.",
    example:
      "const f = noinline((n: u32): { a: u32; b: u32 } => ({ a: n, b: n + 1 }));\n" +
      program("if (f(ctx.length).a) return XDP_DROP;"),
  },
  WS2094: {
    what: "`tailCall` cannot stand in `{name}`, which is compiled as a function of its own.",
    why: "The kernel would come back to the caller after the other program, and not leave the program as a tail call does.",
    fix: "Call `tailCall` in the program, or in a function that is built into it.",
    example:
      "const programs = progArray({ entries: 2 });\nconst f = noinline((ctx: XdpContext): void => { programs.tailCall(ctx, 1); });\n" +
      program("f(ctx);"),
  },
  WS2095: {
    what: "The number of rounds of this loop has {limit}.",
    why: "Every loop must provably end after 8388607 rounds: its condition compares the counter with something of a known largest value, and each round brings the counter closer by a constant.",
    fix: "Add a constant limit, `i < n && i < 1500`, or take the limit from a `u8` or `u16` or from `n & 1023`.",
    example: program("let n: u64 = 0;\n  for (let i = 0; i < ktimeGetNs(); i++) n += i;\n  if (n === 7) return XDP_DROP;"),
  },
  WS2096: {
    what: "This loop is too long for the verifier to walk, and cannot be handed to the kernel, since {reason}.",
    why: "The verifier walks a million instructions. Long loops become calls of `bpf_loop`, in which a program cannot be left for another one, and a record of outside cannot be followed.",
    fix: "Leave the loop with `break`, and call `tailCall` behind it. Reserve a record behind the loop, and keep what it shall hold in a `local` until then; or reserve and submit it in one round. Or use fewer rounds, or a smaller body.",
    example:
      "const programs = progArray({ entries: 2 });\n" +
      program("for (let i = 0; i < 60000; i++) {\n    if (getPrandomU32() === i) programs.tailCall(ctx, 1);\n  }"),
  },
} as const satisfies Record<string, Entry>;
