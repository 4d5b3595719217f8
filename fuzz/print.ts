/** A tree as TypeScript. Everything is in parentheses: precedence is the parser's business, and TypeScript's parser is not under test. */
import { HOOKS, MOST_TAILS, TAILS } from "./hooks.ts";
import { bool, bytes, call, content, int, literal, part, source, value, wakeUp } from "./print-expressions.ts";
import {
  type Action,
  type Cursor,
  type FieldType,
  type Fn,
  type Global,
  isIndexed,
  isQueue,
  isRedirect,
  type MapDeclaration,
  type Module,
  type Parameter,
  RECORD_TYPE,
  type Reshape,
  type Setting,
  type Statement,
  type Struct,
} from "./tree.ts";

const IMPORTS = `import {
  array, arrayOf, atomicAdd, be16, be32, be64, bits, bloomFilter, bool, byteSwap16, byteSwap32, byteSwap64, bytes, csumDiff, getPrandomU32, getSmpProcessorId, global, hash, i16, i32, i64, i8, inline, ktimeGetNs,
  local, lpmTrie, lruHash, lruPerCpuHash, noinline, perCpuArray, perCpuHash, range, redirect, type Schema, setting, struct, u16, u32, u64, u8, trace, type View,
  chain, equals, overlay, type PacketContext, progArray, queue, stack, swap, viewAs, cpuMap, devMap, devMapHash, ringBuffer, arrayOfMaps, hashOfMaps, xskMap,
  TC_ACT_OK, TC_ACT_PIPE, TC_ACT_SHOT, TC_ACT_UNSPEC, type TcAction, type TcContext, tc, type XdpAction, XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, type XdpContext, xdp,
} from "wirescript/kernel";
import { ethernetPayload, ipPayload, ipv4Payload, ipv6Payload } from "wirescript/net";
`;

/** Sends the packet elsewhere: a helper on XDP, a method of the context on TC. */
const SEND = {
  xdp: "function send(_: Context, ifindex: u32): XdpAction {\n  return redirect(ifindex);\n}\n",
  tc: "function send(ctx: Context, ifindex: u32): TcAction {\n  return ctx.redirect(ifindex);\n}\n",
} as const;

const GENERICS = `function behind<S extends Schema>(ctx: PacketContext, schema: S, offset: number): View<S> | null {
  return ctx.at(schema, offset);
}
function either<S extends Schema>(ctx: PacketContext, schema: S, first: number, second: number): View<S> | null {
  const found = ctx.at(schema, first);
  if (found) return found;
  return ctx.at(schema, second);
}
`;

/** The whole module: its program is called `p`. */
export function print(module: Module): string {
  const lines: string[] = [];
  for (const size of module.byteSizes) lines.push(`const b${size} = bytes(${size});`);
  for (const struct of module.structs) lines.push(schema(struct));
  for (const setting of module.settings) lines.push(printSetting(setting));
  for (const global of module.globals) lines.push(printGlobal(global));
  for (const map of module.maps) lines.push(printMap(map));
  for (const fn of module.functions) lines.push(...declaration(fn));
  const { make, context } = HOOKS[module.hook];
  const options = module.frags ? ", { frags: true }" : "";
  const program = (name: string, body: readonly Statement[]) => [
    `${name} = ${make}((ctx) => {`,
    ...block(body, 1),
    `}${options});`,
  ];
  if (module.tails.length > 0) lines.push(`export const ${TAILS} = progArray({ entries: ${MOST_TAILS} });`);
  for (const [index, { body }] of module.tails.entries()) lines.push(...program(`export const tail${index}`, body));
  for (const [index, { body }] of module.chain.entries()) lines.push(...program(`const part${index}`, body));
  const parts = [...module.chain.map((_, index) => `part${index}`), "last"];
  const body =
    module.chain.length === 0
      ? program("export const p", module.body)
      : [...program("const last", module.body), `export const p = chain(${parts.join(", ")}${options});`];
  const text = [...lines, ...body].join("\n");
  const generics = /\b(behind|either)\(/.test(text) ? GENERICS : "";
  const send = /\bsend\(/.test(text) ? SEND[module.hook] : "";
  return `${IMPORTS}type Context = ${context};\n${generics}${send}${text}\n`;
}

function schema({ name, fields, overlay }: Struct): string {
  return `const ${name} = ${overlay === true ? "overlay" : "struct"}({ ${fields.map((field) => `${field.name}: ${fieldType(field.type)}`).join(", ")} });`;
}

function fieldType(type: FieldType): string {
  switch (type.kind) {
    case "scalar":
      return type.scalar;
    case "bool":
      return "bool";
    case "bits":
      return `bits(${type.bits})`;
    case "bytes":
      return `b${type.size}`;
    case "struct":
      return type.struct.name;
    case "array":
      return `arrayOf(${fieldType(type.element)}, ${type.length})`;
  }
}

function printSetting(setting: Setting): string {
  if ("scalar" in setting) return `const ${setting.name} = setting(${setting.scalar}, ${literal(setting.number)});`;
  if ("value" in setting) return `const ${setting.name} = setting(${setting.value.struct.name}, ${value(setting.value)});`;
  return `const ${setting.name} = setting(b${setting.size}, b${setting.size}(${setting.values.join(", ")}));`;
}

function printGlobal(global: Global): string {
  const { name } = global;
  switch (global.g) {
    case "int":
      return `let ${name}: ${global.flavour} = ${literal(global.first)};`;
    case "bool":
      return `let ${name}: boolean = ${global.first};`;
    case "bytes":
      return `let ${name} = b${global.size}(${global.first.join(", ")});`;
    case "struct":
      return `const ${name} = global(${global.struct.name}${global.first === null ? "" : `, ${value(global.first)}`});`;
  }
}

function printMap(map: MapDeclaration): string {
  return `export const ${map.name} = ${creation(map)};`;
}

function creation(map: MapDeclaration): string {
  const { kind, key, value, entries, untyped, inner } = map;
  if (inner !== undefined) {
    const keys = kind === "arrayOfMaps" ? "" : `key: ${key.name}, `;
    return `${kind}({ ${keys}inner: ${creation(inner)}, entries: ${entries} })`;
  }
  if (kind === "ringBuffer") {
    return `ringBuffer({ ${untyped === true ? "" : `value: ${value.name}, `}bytes: ${entries} })`;
  }
  if (kind === "bloomFilter") {
    return `bloomFilter({ value: ${value.name}, entries: ${entries}, hashes: 15 })`;
  }
  if (isRedirect(map)) return `${kind}({ entries: ${entries} })`;
  const keys = isIndexed(map) || isQueue(map) ? "" : `key: ${key.name}, `;
  return `${kind}({ ${keys}value: ${value.name}, entries: ${entries} })`;
}

function declaration(fn: Fn): string[] {
  if (fn.build === null) return [`function ${fn.name}${signature(fn)} {`, ...block(fn.body, 1), "}"];
  return [`const ${fn.name} = ${fn.build}(${signature(fn)} => {`, ...block(fn.body, 1), "});"];
}

function signature({ parameters, returns }: Fn): string {
  return `(${["ctx: Context", ...parameters.map(printParameter)].join(", ")}): ${result(returns)}`;
}

function result(returns: Fn["returns"]): string {
  if (returns === null) return "void";
  return typeof returns === "string" ? returns : `View<typeof ${returns.struct.name}> | null`;
}

function printParameter(parameter: Parameter): string {
  switch (parameter.p) {
    case "int":
      return `${parameter.name}: ${parameter.flavour}`;
    case "view":
      return `${parameter.name}: View<typeof ${parameter.struct.name}>`;
    case "record":
      return `${parameter.name}: ${RECORD_TYPE}`;
  }
}

// -- statements --

function block(statements: readonly Statement[], depth: number): string[] {
  return statements.flatMap((statement) => printStatement(statement).flatMap((line) => indent(line, depth)));
}

function indent(line: string, depth: number): string {
  return "  ".repeat(depth) + line;
}

function braces(head: string, body: readonly Statement[], tail = "}"): string[] {
  return [`${head} {`, ...block(body, 1), tail];
}

function ifElse(condition: string, then: readonly Statement[], otherwise: readonly Statement[]): string[] {
  const first = braces(`if (${condition})`, then);
  return otherwise.length === 0 ? first : [...first.slice(0, -1), ...braces("} else", otherwise)];
}

function printStatement(st: Statement): string[] {
  switch (st.s) {
    case "int":
      return [`${st.keyword} ${st.name}${st.annotation === null ? "" : `: ${st.annotation}`} = ${int(st.value)};`];
    case "bool":
      return [`${st.keyword} ${st.name}${st.keyword === "let" ? ": boolean" : ""} = ${bool(st.value)};`];
    case "set-bool":
      return [`${st.name} = ${bool(st.value)};`];
    case "set-bool-field":
      return [`${part(st.place)} = ${bool(st.value)};`];
    case "bytes":
      return [`${st.keyword} ${st.name} = ${bytes(st.value)};`];
    case "set-bytes-name":
      return [`${st.name} = ${bytes(st.value)};`];
    case "set-bytes":
      return [`${part(st.place)} = ${bytes(st.value)};`];
    case "set-struct":
      return [`${part(st.place)} = ${value(st.value)};`];
    case "set-array":
      return [`${part(st.place)} = ${content(st.value)};`];
    case "each":
      return braces(`for (const ${st.name} of ${part(st.place)})`, st.body);
    case "record": {
      const fields = st.fields.map(({ name, value: content }) => {
        if (!Array.isArray(content)) return `${name}: ${int(content)}`;
        return `${name}: { ${content.map((each) => `${each.name}: ${int(each.value)}`).join(", ")} }`;
      });
      return [`const ${st.name} = { ${fields.join(", ")} };`];
    }
    case "alias":
      return [`const ${st.name} = ${part(st)};`];
    case "swap":
      return [`swap(${part(st.left)}, ${part(st.right)});`];
    case "view-as":
      return [`const ${st.name} = viewAs(${part(st)}, ${st.struct.name});`];
    case "cursor":
      return [`const ${st.name} = ${cursor(st.cursor)};`, ...braces(`if (!${st.name})`, st.otherwise)];
    case "tail-call":
      return [`${TAILS}.tailCall(ctx, ${int(st.index)});`];
    case "destructure":
      return [`const { ${st.fields.map(({ field, name }) => `${field.name}: ${name}`).join(", ")} } = ${st.view};`];
    case "expression":
      return [`${int(st.value)};`];
    case "effect":
      return [`${bool(st.value)};`];
    case "void-call":
      return [`${call(st.callee, st.args)};`];
    case "atomic":
      return [`atomicAdd(${part(st.place)}, ${int(st.value)});`];
    case "atomic-name":
      return [`atomicAdd(${st.name}, ${int(st.value)});`];
    case "if":
      return ifElse(bool(st.condition), st.then, st.otherwise);
    case "switch": {
      const clauses = st.clauses.flatMap(({ label, body }) => [
        `  ${label === null ? "default" : `case ${literal(label)}`}: {`,
        ...block(body, 2),
        "  }",
      ]);
      return [`switch (${int(st.value)}) {`, ...clauses, "}"];
    }
    case "for": {
      const { name, start, limit, step } = st;
      const next = step === 1 ? `${name}++` : step === -1 ? `${name}--` : `${name} ${step < 0 ? "-" : "+"}= ${Math.abs(step)}`;
      return braces(`for (let ${name} = ${start}; ${name} ${step < 0 ? ">" : "<"} ${limit}; ${next})`, st.body);
    }
    case "range":
      return braces(`for (const ${st.name} of range(${st.start === 0 ? st.end : `${st.start}, ${st.end}`}))`, st.body);
    case "break":
      return ["break;"];
    case "continue":
      return ["continue;"];
    case "guard":
      return [`const ${st.name} = ${source(st.source)};`, ...braces(`if (!${st.name})`, st.otherwise)];
    case "if-view":
      return [`const ${st.name} = ${source(st.source)};`, ...ifElse(st.name, st.then, st.otherwise)];
    case "let-view": {
      const type = st.first === null ? `: View<typeof ${st.struct.name}> | null` : "";
      return [
        `let ${st.name}${type} = ${st.first === null ? "null" : source(st.first)};`,
        `if (${bool(st.condition)}) ${st.name} = ${source(st.second)};`,
        ...braces(`if (${st.name})`, st.then),
      ];
    }
    case "move":
      return braces(`if (!ctx.adjust${MOVES[st.edge]}(${int(st.delta)}))`, st.otherwise);
    case "reshape":
      return braces(`if (!ctx.${st.how.h}(${reshaping(st.how)}))`, st.otherwise);
    case "reserve": {
      const fields = st.fields.map(({ field, value }) => `  ${st.name}.${field.name} = ${content(value)};`);
      const [head, ...rest] = ifElse(st.name, st.body, st.otherwise);
      return [`const ${st.name} = ${st.map}.reserve(${st.named ? st.struct.name : ""});`, head ?? "", ...fields, ...rest];
    }
    case "inner":
      return [`const ${st.name} = ${st.map}.lookup(${value(st.key)});`, ...ifElse(st.name, st.then, st.otherwise)];
    case "release":
      return [`${st.map}.${st.how}(${st.record}${wakeUp(st.wakeUp)});`];
    case "local":
      return [`const ${st.name} = local(${st.struct.name}, ${value(st.value)});`];
    case "trace":
      return [`trace\`${st.values.map((each) => `n=\${${int(each)}}`).join(" ")}\`;`];
    case "closure":
      return braces(`const ${st.fn.name} = ${signature(st.fn)} =>`, st.fn.body, "};");
    case "return":
      return [st.value === null ? "return;" : `return ${int(st.value)};`];
    case "return-view":
      return [`return ${st.source === null ? "null" : source(st.source)};`];
    case "verdict": {
      const { condition, yes, no } = st.verdict;
      return [`return ${condition === null ? action(yes) : `${bool(condition)} ? ${action(yes)} : ${action(no)}`};`];
    }
  }
}

function reshaping({ args, mode }: Reshape): string {
  return [...args.map(int), ...(mode === undefined ? [] : [`"${mode}"`])].join(", ");
}

const MOVES = { head: "Head", tail: "Tail", meta: "Meta" } as const;

function action(which: Action): string {
  if (typeof which === "string") return which;
  if (!("r" in which)) return `send(ctx, ${int(which)})`;
  const { map, key, fallback } = which;
  if (fallback === null) return `${map}.redirect(${int(key)})`;
  const { condition, yes, no } = fallback;
  return `${map}.redirect(${int(key)}, ${condition === null ? yes : `${bool(condition)} ? ${yes} : ${no}`})`;
}

function cursor(e: Cursor): string {
  if (e.c === "ethernetPayload") return "ethernetPayload(ctx)";
  return e.c === "ipPayload" ? `ipPayload(ctx, ${int(e.type)}, ${int(e.offset)})` : `${e.c}(ctx, ${int(e.offset)})`;
}
