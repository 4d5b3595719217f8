/**
 * Every message of the compiler that is not TypeScript's own: a number, what, why and how to mend it, and the shortest module that
 * shows it. `{name}` stands for a detail that the compiler fills in. `docs/diagnostics.md` is generated from this table, and a test
 * compiles every example.
 *
 * WS1xxx: constructs of TypeScript that kernel code does not have. WS2xxx: values, types and calls. WS3xxx: declarations: programs,
 * maps and schemas. WS4xxx: limits of the kernel. WS9xxx: defects of the compiler.
 */
export interface Entry {
  what: string;
  why: string;
  fix: string;
  /** The body of a module that gives this diagnostic; the imports are added. `null` where no module can show it. */
  example: string | null;
}

const tc = (body: string) => `export const p = tc.ingress((ctx) => {\n  ${body}\n  return TC_ACT_OK;\n});`;
const program = (body: string) => `export const p = xdp((ctx) => {\n  ${body}\n  return XDP_PASS;\n});`;

export const CATALOGUE = {
  WS1001: {
    what: "`{keyword}` loops are not supported.",
    why: "The kernel must see that a loop ends, and how often it runs at most.",
    fix: "Use `for (let i = 0; i < LIMIT; i++)` with a constant limit, and `break` when you are done.",
    example: program("let n: u32 = ctx.length;\n  while (n > 0) n--;"),
  },
  WS1002: {
    what: "`for…in` is not supported.",
    why: "Kernel code has no property names at run time.",
    fix: "Name each field, or use `for (const i of range(n))`.",
    example: program("const o = { a: 1 };\n  for (const k in o) { if (k) return XDP_DROP; }"),
  },
  WS1003: {
    what: "`try`, `catch` and `throw` are not supported.",
    why: "There are no exceptions in the kernel.",
    fix: "Return an action or `null`, and check for it.",
    example: program("throw 1;"),
  },
  WS1004: {
    what: "Asynchronous and generator code is not supported.",
    why: "A packet program runs to its end at once; nothing can wait in it.",
    fix: "Write an ordinary function. Keep state between packets in a map.",
    example: `export async function f() {}\n${program("")}`,
  },
  WS1005: {
    what: "Classes are not supported.",
    why: "Kernel code has no objects with identity and no memory to allocate them from.",
    fix: "Use functions, and `struct` schemas for data.",
    example: `export class C {}\n${program("")}`,
  },
  WS1006: {
    what: "`new` is not supported.",
    why: "Kernel code cannot allocate memory.",
    fix: "Use an object literal as a key or a value, or keep data in a map.",
    example: program("const o = new Object();\n  if (!o) return XDP_DROP;"),
  },
  WS1007: {
    what: "Strings are not supported.",
    why: "Kernel code works on integers and bytes.",
    fix: "Use a byte array (`bytes(n)`), a number, or a trace`…` template for a message.",
    example: program('const s = "hello";\n  if (s) return XDP_DROP;'),
  },
  WS1008: {
    what: "Template strings are not supported here.",
    why: "Kernel code has no strings; only `trace` takes a template.",
    fix: "Write trace`…` for a message.",
    example: program("const s = `x${ctx.length}`;\n  if (s) return XDP_DROP;"),
  },
  WS1009: {
    what: "Regular expressions are not supported.",
    why: "Kernel code has no strings.",
    fix: "Compare bytes and integers.",
    example: program("const r = /x/;\n  if (r) return XDP_DROP;"),
  },
  WS1010: {
    what: "`{text}` is not an integer.",
    why: "The kernel has no floating point.",
    fix: "Use integers, in a smaller unit if need be: nanoseconds, permille.",
    example: program("const half = 0.5;\n  if (half) return XDP_DROP;"),
  },
  WS1011: {
    what: "The non-null assertion `!` is not supported.",
    why: "The kernel's verifier wants a real check before the value is used.",
    fix: "Write `if (!value) return XDP_PASS;` before this line.",
    example: program("const eth = ctx.at(Ethernet)!;\n  if (eth.type === 1) return XDP_DROP;"),
  },
  WS1012: {
    what: "Type assertions are not supported.",
    why: "They would hide what the kernel checks.",
    fix: "Narrow with `if`, or convert an integer with a cast such as `u16(x)`.",
    example: program("const n = ctx.length as u16;\n  if (n) return XDP_DROP;"),
  },
  WS1013: {
    what: "`{operator}` is not supported.",
    why: "Kernel code has no property names, prototypes or run-time types.",
    fix: "Use plain integers, fields and comparisons.",
    example: program('if (typeof ctx.length === "number") return XDP_DROP;'),
  },
  WS1014: {
    what: "Spreading and rest elements are not supported.",
    why: "The number of elements must be plain to see.",
    fix: "Write the elements or fields one by one.",
    example: program("const a = [1, 2];\n  const b = [...a, 3];\n  if (b.length > 2) return XDP_DROP;"),
  },
  WS1015: {
    what: "Array destructuring is not supported.",
    why: "Kernel code has no iterators.",
    fix: "Return an object with named fields and destructure that: `const { type, offset } = …`.",
    example: program("const pair = [1, 2];\n  const [a] = pair;\n  if (a) return XDP_DROP;"),
  },
  WS1016: {
    what: "`var` is not supported.",
    why: "Its scope is the whole function, which hides where a value is set.",
    fix: "Use `const` or `let`.",
    example: program("var n = 1;\n  if (n) return XDP_DROP;"),
  },
  WS1019: {
    what: "The module's variable `{name}` needs a type that says how large it is.",
    why: "It lies in memory that all packets, CPUs and user space share.",
    fix: "Write `let {name}: u64 = 0` with one of the integer types, `boolean`, or a byte array; for structs and arrays `const {name} = global(schema)`.",
    example: `let n = 0;\n${program("n++;")}`,
  },
  WS1020: {
    what: "`{name}` is called by itself, directly or through others.",
    why: "Functions are built into their callers, and the kernel's stack is 512 bytes: there is no recursion.",
    fix: "Use a `for` loop with a constant limit.",
    example: `function f(n: u32): u32 {\n  return n > 0 ? f(n - 1) : 0;\n}\n${program("if (f(3)) return XDP_DROP;")}`,
  },
  WS1021: {
    what: "Enums and namespaces are not supported.",
    why: "They are not plain TypeScript types: they make code of their own.",
    fix: "Use an object of constants: `const Color = { RED: 1 } as const;`.",
    example: `enum Color { RED = 1 }\n${program("if (ctx.length === Color.RED) return XDP_DROP;")}`,
  },
  WS1022: {
    what: "Labels are not supported.",
    why: "`break` and `continue` always belong to the nearest loop.",
    fix: "Move the inner loop to a function of its own and return from it.",
    example: program("outer: for (let i = 0; i < 2; i++) { break outer; }"),
  },
  WS1023: {
    what: "This module-level statement never runs.",
    why: "A kernel module only declares things: its programs are what runs.",
    fix: "Move it into a program or a function.",
    example: `for (let i = 0; i < 2; i++) { }\n${program("")}`,
  },
  WS1024: {
    what: "`debugger` is not supported.",
    why: "Nobody can stop the kernel in the middle of a packet.",
    fix: "Write a line with trace`…`, and read it in /sys/kernel/tracing/trace_pipe.",
    example: program("debugger;"),
  },
  WS1025: {
    what: "`with` is not supported.",
    why: "Names must be known when the program is compiled.",
    fix: "Name the object: `header.length`.",
    example: program("with (ctx) { }"),
  },
  WS1026: {
    what: "Default exports are not supported.",
    why: "Programs and maps go by their names: in the object, in the kernel, and for user space.",
    fix: "Write `export const name = …`.",
    example: "export default xdp(() => XDP_PASS);",
  },
  WS1027: {
    what: "A module cannot be imported or exported under one name, as `* as`.",
    why: "The compiler follows each name to its declaration; there are no module objects in the kernel.",
    fix: "Import the names that you use: `import { XDP_PASS, xdp } from …`.",
    example: `import * as net from "wirescript/net";\n${program("const eth = ctx.at(net.Ethernet);\n  if (!eth) return XDP_DROP;")}`,
  },
  WS1028: {
    what: "This form of import or export is not supported.",
    why: "Kernel modules are ES modules.",
    fix: "Write `import { name } from …` and `export { name }`.",
    example: `import net = require("wirescript/net");\n${program("if (ctx.length > net.Ethernet.size) return XDP_DROP;")}`,
  },
  WS1029: {
    what: "`{text}` is not supported.",
    why: "A kernel module has no run time of its own: all that it consists of is known when it is compiled.",
    fix: "Use an `import` at the top of the module for code, and `setting(…)` for values that the loader decides.",
    example: program("if (import.meta) return XDP_DROP;"),
  },
  WS1030: {
    what: "`{name}` is no kernel module.",
    why: "Only TypeScript source is compiled.",
    fix: "Put what you need of it into a *.bpf.ts module as a `const`.",
    example: `import table from "../../../package.json";\n${program("if (table) return XDP_DROP;")}`,
  },
  WS1031: {
    what: "The comma operator is not supported.",
    why: "It hides that something is done besides computing a value.",
    fix: "Write two statements.",
    example: program("const n = (ctx.length, 2);\n  if (n) return XDP_DROP;"),
  },
  WS1032: {
    what: "Raising to a power (`**`) is not supported.",
    why: "The kernel has no such instruction.",
    fix: "Shift for powers of two (`1 << n`), multiply for small exponents, or write the constant.",
    example: program("if (ctx.length ** 2 > 10000) return XDP_DROP;"),
  },
  WS1033: {
    what: "`{operator}` is not supported.",
    why: "Whether it assigns depends on the old value, which hides a branch.",
    fix: "Write the `if` and the assignment.",
    example: program("let n = ctx.length & 1;\n  n ||= 2;\n  if (n === 2) return XDP_DROP;"),
  },
  WS1034: {
    what: "Default values in a pattern are not supported.",
    why: "Every field that a pattern names is there: kernel code has no fields that are missing.",
    fix: "Take the field out, and use `??` where it may be `null`.",
    example: program("const o: { a?: u32 } = { a: ctx.length };\n  const { a = 1 } = o;\n  if (a) return XDP_DROP;"),
  },
  WS1035: {
    what: "Computed names are not supported.",
    why: "Kernel code has no property names at run time.",
    fix: "Write the field's name.",
    example: `const key = 1;\n${program("const o = { [key]: 1 };\n  if (o[1] === ctx.length) return XDP_DROP;")}`,
  },
  WS1036: {
    what: "Methods, getters and setters are not supported.",
    why: "Object literals hold values only; there is no `this` in kernel code.",
    fix: "Write a function that takes what it needs, or a field that holds an arrow function.",
    example: program("const o = { twice(n: u32): u32 { return n * 2; } };\n  if (o.twice(ctx.length) > 200) return XDP_DROP;"),
  },
  WS1037: {
    what: "`{keyword}` is not supported.",
    why: "Kernel code has no objects with identity.",
    fix: "Pass what the function needs as a parameter.",
    example: `function f(this: XdpContext): u32 {\n  return this.length;\n}\n${program("if (f.length) return XDP_DROP;")}`,
  },
  WS1038: {
    what: "Assigning to a pattern is not supported.",
    why: "Its parts would be assigned one after the other, which is easily misread when they depend on each other.",
    fix: "Write one assignment for each; swap with a `const` for one of the values.",
    example: program("let a = 1;\n  let b = ctx.length;\n  [a, b] = [b, a];\n  if (a > b) return XDP_DROP;"),
  },
  WS1039: {
    what: "`using` declarations are not supported.",
    why: "Nothing in kernel code is closed when a block ends.",
    fix: "Use `const`.",
    example: program("using n = null;\n  if (n) return XDP_DROP;"),
  },
  WS1040: {
    what: "`arguments` is not supported.",
    why: "Functions are built into their callers: there is no list of arguments.",
    fix: "Name the parameters.",
    example: `function f(_n: u32): u32 {\n  return arguments.length;\n}\n${program("if (f(1)) return XDP_DROP;")}`,
  },
  WS1041: {
    what: "Type predicates and assertion functions are not supported.",
    why: "TypeScript believes what they say without a proof, and the kernel's verifier wants the check itself.",
    fix: "Return the value or `null`, and check the result: `function ipv4(eth): IPv4 | null`.",
    example: `function there(eth: View<typeof Ethernet> | null): eth is View<typeof Ethernet> {\n  return true;\n}\n${program("const eth = ctx.at(Ethernet);\n  if (there(eth) && eth.type === 1) return XDP_DROP;")}`,
  },
  WS1042: {
    what: "A variable cannot be declared to have a value that it is not given (`!:`).",
    why: "The kernel's verifier wants to see the value.",
    fix: "Give it a first value.",
    example: program("let n!: u32;\n  if (ctx.length > 60) n = 1;\n  if (n) return XDP_DROP;"),
  },
  WS1043: {
    what: "JSX is not supported.",
    why: "There is nothing to show in the kernel.",
    fix: "Use a *.bpf.ts module for kernel code.",
    example: null,
  },
  WS1044: {
    what: "Overloads are not supported.",
    why: "TypeScript checks calls by one signature and the body by another, and the kernel's verifier the body itself.",
    fix: "Write one signature: with a union of types, a default value, or a type parameter.",
    example: `function f(n: u8): u32;\nfunction f(n: u16): u32;\nfunction f(n: u16): u32 {\n  return n;\n}\n${program("if (f(1)) return XDP_DROP;")}`,
  },
  WS1045: {
    what: "An array literal cannot have holes.",
    why: "Every element must have a value.",
    fix: "Write the missing element, for example 0.",
    example: program("const a = [, 1];\n  if (a.length === ctx.length) return XDP_DROP;"),
  },

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
    why: "The kernel adds atomically to aligned fields only, and structs have no padding.",
    fix: "Put larger fields first, or add a field such as `reserved: u32` before it.",
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
    why: "It is not unrolled, and views would be good in its first round only.",
    fix: "Use fewer rounds, or move the packet once, outside of the loop.",
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
    fix: "Check it first (`if (i < {length}) …`), or bound it: `i % {length}`.",
    example: `const m = array({ value: struct({ slots: arrayOf(u32, 4) }), entries: 1 });\n${program("const e = m.lookup(0);\n  if (e && e.slots[ctx.length] === 1) return XDP_DROP;")}`,
  },
  WS2081: {
    what: "An array literal has no elements at variable indexes.",
    why: "It is not in memory: each element is a value of its own.",
    fix: "Make it a constant of the module, `const table = setting(arrayOf(u16, 4), [1, 2, 3, 4])`, or put it on the stack with `local(arrayOf(u16, 4), […])`.",
    example: program("const a = [1, 2];\n  if (a[ctx.length & 1] === 1) return XDP_DROP;"),
  },

  WS2070: {
    what: "This record is neither submitted nor discarded on the path by line {line}.",
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
    why: "The verifier walks a million instructions. Long loops become calls of `bpf_loop`, in which a program cannot be left for another one.",
    fix: "Leave the loop with `break`, and call `tailCall` behind it; or use fewer rounds.",
    example:
      "const programs = progArray({ entries: 2 });\n" +
      program("for (let i = 0; i < 60000; i++) {\n    if (getPrandomU32() === i) programs.tailCall(ctx, 1);\n  }"),
  },
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
    fix: 'Use "xdp" or "tc", or a name that stands for no type, such as "filter"; for `frags` "xdp.frags".',
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

  WS4001: {
    what: "{who} needs {bytes} bytes of stack, and the kernel gives 512.",
    why: "Keys and values built from object literals, and values that do not fit registers, live on the stack.",
    fix: "Use smaller keys and values, or build large values in a map's element instead.",
    example:
      "const Big = struct({ a: bytes(128), b: bytes(128), c: bytes(128), d: bytes(136) });\nconst m = hash({ key: Big, value: u32, entries: 1 });\nconst n = hash({ key: u32, value: Big, entries: 1 });\n" +
      program("const b = n.lookup(1);\n  if (b && m.lookup({ a: b.a, b: b.b, c: b.c, d: b.d })) return XDP_DROP;"),
  },
  WS4002: {
    what: "The packet offset {offset} is beyond what the kernel can check.",
    why: "Offsets into a packet go up to 65535 bytes, the field included.",
    fix: "Use a smaller offset.",
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

export type DiagnosticCode = keyof typeof CATALOGUE;
