/** Expressions of the tree as TypeScript. */
import type { Argument, Bool, Bytes, Content, Int, Path, Target, Value, ViewSource, WakeUp } from "./tree.ts";

/** More than any kernel is built for. */
const NO_CPU = 1_000_000;

export function literal(value: bigint): string {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? `u64(0x${value.toString(16)}n)` : String(value);
}

export function int(e: Int): string {
  switch (e.k) {
    case "literal":
      return literal(e.value);
    case "name":
      return e.name;
    case "field":
      return part(e.place);
    case "byte":
      return `${bytes(e.bytes)}[${index(e.index)}]`;
    case "record":
      return [e.record, ...e.path].join(".");
    case "length":
      return "ctx.length";
    case "context":
      return `ctx.${e.field}`;
    case "query":
      return `${e.map}.query("${e.what}")`;
    case "cursor":
      return `${e.cursor}.${e.field}`;
    case "nothing":
      return `(${e.helper}() & 0)`;
    case "binary":
      return `(${int(e.left)} ${e.operator} ${int(e.right)})`;
    case "unary":
      return `(${e.operator}${int(e.operand)})`;
    case "byteSwap":
      return `byteSwap${e.bits}(u${e.bits}(${int(e.operand)}))`;
    case "cast":
      return `${e.to}(${int(e.operand)})`;
    case "choice":
      return `(${bool(e.condition)} ? ${int(e.yes)} : ${int(e.no)})`;
    case "coalesce":
      return `(${source(e.source)}?.${part({ ...e.place, view: "" }).slice(1)} ?? ${int(e.otherwise)})`;
    case "checksum":
      return `(csumDiff(${e.from === null ? "null" : bytes(e.from)}, ${e.to === null ? "null" : bytes(e.to)}, ${int(e.seed)}) % 65535)`;
    case "call":
      return call(e.callee, e.args);
    case "assign":
      return `(${target(e.target)} ${e.operator ?? ""}= ${int(e.value)})`;
    case "step":
      return e.prefix ? `(${e.operator}${target(e.target)})` : `(${target(e.target)}${e.operator})`;
  }
}

export function bool(e: Bool): string {
  switch (e.b) {
    case "compare":
      return `(${int(e.left)} ${e.operator} ${rightOf(e.operator, int(e.right))})`;
    case "and":
      return `(${bool(e.left)} && ${bool(e.right)})`;
    case "or":
      return `(${bool(e.left)} || ${bool(e.right)})`;
    case "not":
      return `(!${bool(e.operand)})`;
    case "truth":
      return `(!!${int(e.operand)})`;
    case "name":
      return e.name;
    case "constant":
      return String(e.value);
    case "field":
      return part(e.place);
    case "equals":
      return `${bytes(e.left)}.equals(${bytes(e.right)})`;
    case "same":
      return `equals(${part(e.left)}, ${part(e.right)})`;
    case "push":
      return `${e.map}.push(${value(e.value)}${e.overwrite ? ', "overwrite"' : ""})`;
    case "put-in":
      return `${e.map}.push(${value(e.value)})`;
    case "has":
      return `${e.map}.has(${value(e.value)})`;
    case "output":
      return `${e.map}.output(${value(e.value)}${wakeUp(e.wakeUp)})`;
    case "store-bytes":
      return `ctx.storeBytes(${int(e.offset)}, ${e.struct.name}, ${value(e.value)})`;
    case "update":
      return `${e.map}.update(${value(e.key)}, ${value(e.value)}${e.mode === "any" ? "" : `, "${e.mode}"`})`;
    case "delete":
      return `${e.map}.delete(${value(e.key)})`;
    case "present":
      return `(${source(e.source)} !== null)`;
  }
}

/** As the last argument of a call. */
export function wakeUp(which: WakeUp | null): string {
  return which === null ? "" : `, "${which}"`;
}

/** A plus keeps `a << b … > (c)` from being read as a call with type arguments, which is how TypeScript reads it. */
function rightOf(operator: string, text: string): string {
  return operator === ">" && text.startsWith("(") ? `+${text}` : text;
}

export function bytes(e: Bytes): string {
  switch (e.y) {
    case "field":
      return part(e.place);
    case "name":
      return e.name;
    case "constant":
      return `b${e.size}(${e.values.join(", ")})`;
  }
}

export function value(e: Value): string {
  switch (e.v) {
    case "int":
      return int(e.value);
    case "view":
      return part(e);
    case "literal":
      return `{ ${e.fields.map((each) => `${each.field.name}: ${content(each.value)}`).join(", ")} }`;
  }
}

export function content(e: Content): string {
  switch (e.f) {
    case "int":
      return int(e.value);
    case "bool":
      return bool(e.value);
    case "bytes":
      return bytes(e.value);
    case "struct":
      return value(e.value);
    case "array":
      return part(e.place);
    case "list":
      return `[${e.values.map(content).join(", ")}]`;
  }
}

export function source(e: ViewSource): string {
  switch (e.w) {
    case "at":
      return e.through === "at"
        ? `ctx.at(${e.struct.name}, ${int(e.offset)})`
        : `behind(ctx, ${e.struct.name}, ${int(e.offset)})`;
    case "either":
      return `either(ctx, ${e.struct.name}, ${int(e.first)}, ${int(e.second)})`;
    case "lookup":
      return `${e.map}.lookup(${value(e.key)})`;
    case "lookup-cpu":
      return `${e.map}.lookupPerCpu(${value(e.key)}, ${bool(e.nowhere)} ? ${NO_CPU} : getSmpProcessorId())`;
    case "meta":
      return `ctx.meta(${e.struct.name})`;
    case "take":
      return `${e.map}.${e.how}()`;
    case "load-bytes":
      return `ctx.loadBytes(${int(e.offset)}, ${e.struct.name})`;
    case "call":
      return call(e.callee, e.args);
    case "view":
      return part(e);
    case "choice":
      return `(${bool(e.condition)} ? ${source(e.yes)} : ${source(e.no)})`;
  }
}

export function part({ view, path, indexes }: Path): string {
  let next = 0;
  const segments = path.map((name) => {
    if (!name.startsWith("[")) return `.${name}`;
    const variable = name === "[?]" ? indexes[next++] : undefined;
    return variable === undefined ? name : `[${int(variable.value)}]`;
  });
  return view + segments.join("");
}

function index(which: number | Int): string {
  return typeof which === "number" ? String(which) : int(which);
}

function target(e: Target): string {
  switch (e.t) {
    case "name":
      return e.name;
    case "field":
      return part(e.place);
    case "byte":
      return `${part(e.place)}[${index(e.index)}]`;
    case "record":
      return [e.record, ...e.path].join(".");
    case "context":
      return `ctx.${e.field}`;
  }
}

export function call(callee: string, args: readonly Argument[]): string {
  return `${callee}(${["ctx", ...args.map(printArgument)].join(", ")})`;
}

function printArgument(argument: Argument): string {
  switch (argument.a) {
    case "int":
      return int(argument.value);
    case "view":
      return part(argument);
    case "record":
      return argument.record;
  }
}
