/**
 * TypeScript's messages in the words of kernel code: its names for our types become the names that the source uses, explanations of how
 * flavours are built are left out, and for what every newcomer meets there is a way to mend it.
 */
import { habitAt, nodeAt } from "./habits.ts";
import { ownModuleOf } from "./own-names.ts";
import ts from "./typescript.ts";

export interface Message {
  what: string;
  why?: string;
  fix?: string;
}

export function messageOf(diagnostic: ts.Diagnostic, checker: ts.TypeChecker): Message {
  const [first = "", ...rest] = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n").split("\n");
  const missing = missingName(diagnostic.code, first);
  if (missing !== null) return missing;
  const habit = habitAt(diagnostic, checker);
  if (habit !== null) return habit;
  const what = readable(first);
  const why = explanation(what, rest);
  const fix = assignedInPart(diagnostic) ?? advice(diagnostic.code, what, `${what} ${why}`);
  return { what, ...(why !== "" && { why }), ...(fix !== null && { fix }) };
}

// -- types --

const FLAVOURED = /(?:number & )?\{ readonly \[flavour\]\?: ((?:"\w+"(?: \| )?)+)(?: \| undefined)?;? \}/g;
const INT = /\bInt<((?:"\w+"(?: \| )?)+)>/g;

/** `text` with our own types under the names that the source has for them. */
export function readable(text: string): string {
  let result = text
    .replace(FLAVOURED, (_, names: string) => integerOf(names))
    .replace(INT, (_, names: string) => integerOf(names));
  result = result
    .replace(/\bScalar<(\w+)(?:, \w+)?>/g, "$1")
    .replace(/\bScalar<\.\.\.>/g, "…")
    .replace(/\bBytesSchema<(\d+)>/g, "bytes($1)")
    .replace(/\bBitsSchema<(\d+)>/g, "bits($1)");
  // Inner structs first: what becomes of them has other braces for a while, so that only the outer one's are left.
  for (let shorter = ""; shorter !== result; ) {
    shorter = result;
    result = result
      .replace(/\bGiven<Struct<\{ ([^{}]*) \}>>/g, (_, fields: string) => `⟦ ${fields.replaceAll("readonly ", "")} ⟧`)
      .replace(/\bStruct<\{ ([^{}]*) \}>/g, (_, fields: string) => `struct(${fieldNames(fields)})`);
  }
  return result.replaceAll("⟦", "{").replaceAll("⟧", "}");
}

/** The widest of the flavours that a type may hold is its name. */
function integerOf(names: string): string {
  const flavours = [...names.matchAll(/"(\w+)"/g)].map(([, name = ""]) => name);
  const signed = flavours.some((name) => name.startsWith("i"));
  const own = flavours.filter((name) => name.startsWith("i") === signed);
  return own.reduce((widest, name) => (Number(name.slice(1)) > Number(widest.slice(1)) ? name : widest), own[0] ?? "number");
}

function fieldNames(fields: string): string {
  const names = fields.split(";").flatMap((field) => /^\s*(?:readonly )?([\w"$]+)\??:/.exec(field)?.[1] ?? []);
  return `⟦ ${names.join(", ")} ⟧`;
}

const INTEGER = "[ui](?:8|16|32|64)";
const NARROWING = new RegExp(
  `'(?:.* => )?(${INTEGER}|number)'.* to (?:parameter of )?type '(?:.* => )?(${INTEGER})(?: \\| (?:null|undefined))*'`,
);

/** TypeScript's own explanation, without how a flavour is made; for integers, what it means. */
function explanation(what: string, rest: readonly string[]): string {
  const [, from, to] = NARROWING.exec(what) ?? [];
  if (from !== undefined && to !== undefined) return `Not every ${from} fits ${to}.`;
  const end = rest.findIndex((line) => line.includes("[flavour]"));
  const kept = (end === -1 ? rest : rest.slice(0, end)).map((line) => readable(line.trim()));
  return [...new Set(kept)].filter((line) => line !== what).join(" ");
}

// -- advice --

function advice(code: number, what: string, all: string): string | null {
  switch (code) {
    // Object is possibly 'null' / 'x' is possibly 'null'.
    case 2531:
    case 18047:
      return "Check it first: `if (!view) return XDP_PASS;`. That check is the bounds check that the kernel wants.";
    case 2307:
      if (/'wirescript\b/.test(what)) return "Import from `wirescript/kernel` or `wirescript/net`: these two there are.";
      return "Check the name: a file is named from this module's folder (`./name.bpf.ts`), and a package must be installed (`npm install`).";
    case 2732:
      return "Kernel modules import TypeScript only: put the data into a *.bpf.ts module.";
  }
  const [, rest] = /parameter of type '\{ prefixLength: u32; (\w+): /.exec(what) ?? [];
  if (rest !== undefined)
    return `Say how many bits of it count: \`{ prefixLength: 32, ${rest}: … }\` for all of an IPv4 address.`;
  if (all.includes("XdpAction")) return "Return one of XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, or redirect(…).";
  if (all.includes("TcAction"))
    return "Return one of TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC, TC_ACT_PIPE …, or ctx.redirect(…).";
  const [, , to] = NARROWING.exec(what) ?? [];
  if (to !== undefined) return `Convert it with a cast, which keeps the lowest bits: \`${to}(x)\`.`;
  // TypeScript names 'bigint' among what it would take, too.
  if (/\b\d+n'/.test(what) || (/'bigint'/.test(what) && !/'number', 'bigint'/.test(what))) {
    return "Write a bigint in a cast: `u64(0x123456789abcdef0n)`.";
  }
  if (ARITHMETIC.has(code)) {
    return "Only numbers can be calculated with. A map's scalar is reached through `.value`; `a & b` needs parentheses in front of a comparison.";
  }
  return null;
}

/** "Property 'x' is missing", of one property or of several. */
const MISSING_PROPERTY = new Set([2739, 2740, 2741]);

/** `place.field = { … }` with a literal that leaves something out: of an overlay, everywhere else, that is as it should be. */
function assignedInPart({ code, file, start = 0 }: ts.Diagnostic): string | null {
  if (!MISSING_PROPERTY.has(code) || file === undefined) return null;
  const assignment = ts.findAncestor(nodeAt(file, start), (node) => ts.isBinaryExpression(node) || ts.isStatement(node));
  if (assignment === undefined || !ts.isBinaryExpression(assignment)) return null;
  if (!ts.isPropertyAccessExpression(assignment.left) || !ts.isObjectLiteralExpression(assignment.right)) return null;
  const place = assignment.left.getText();
  const name = assignment.right.properties[0]?.name?.getText() ?? "name";
  return `Give every field of a struct. Of an overlay assign to the member: \`${place}.${name} = …\`.`;
}

/** Operators on what is no number. */
const ARITHMETIC = new Set([2356, 2362, 2363, 2365]);

/** "Cannot find name 'x'", with and without a guess at what was meant, or at a library that would have it. */
const CANNOT_FIND_NAME = new Set([2304, 2552, 2580, 2581, 2582, 2583, 2584, 2585, 2591, 2592, 2593, 2868]);

/** Globals of browsers and Node.js, and what to use for them. */
const GLOBALS: ReadonlyMap<string, string> = new Map([
  ...["htons", "ntohs", "htonl", "ntohl"].map((name): [string, string] => [
    name,
    "Leave it out: fields of type be16 and be32 are read and written in host order.",
  ]),
  ["console", "Use trace`…` for messages, and read them in /sys/kernel/tracing/trace_pipe."],
  ["Math", "Use integer operators and `?:`; for random numbers there is `getPrandomU32()`."],
  ["Date", "Use `ktimeGetNs()`: nanoseconds since boot."],
  ["performance", "Use `ktimeGetNs()`: nanoseconds since boot."],
  ["setTimeout", "A program runs once for each packet. Keep times in a map, and compare them with `ktimeGetNs()`."],
  ["setInterval", "A program runs once for each packet. Keep times in a map, and compare them with `ktimeGetNs()`."],
  ["Map", "Use a map of wirescript/kernel: `hash({ key, value, entries })`."],
  ["Set", "Use a map of wirescript/kernel: `hash({ key, value, entries })`."],
  ["Buffer", "Use a byte array: `bytes(n)`."],
  ["process", "Use `setting(…)` for what the loader decides."],
  ["require", "Write `import { name } from …`."],
  ["parseInt", "There are no strings to parse: use integers."],
  ["BigInt", "Use a cast: `u64(x)`."],
  ["Number", "Use a cast, such as `u32(x)`."],
  ["NaN", "Integers have no such value."],
  ["Infinity", "Integers have no such value."],
]);

const OTHER_GLOBALS = new Set(
  "globalThis window document fetch Promise JSON String Boolean Object Array Symbol RegExp Error Uint8Array structuredClone".split(
    " ",
  ),
);

function missingName(code: number, text: string): Message | null {
  const [, name] = /^Cannot find name '([^']+)'/.exec(text) ?? [];
  if (name === undefined || !CANNOT_FIND_NAME.has(code)) return null;
  const use = GLOBALS.get(name);
  if (use !== undefined || OTHER_GLOBALS.has(name)) {
    return {
      what: `There is no \`${name}\` in the kernel.`,
      why: "Kernel code has neither the globals of browsers nor those of Node.js.",
      fix: use ?? "See docs/language.md for what there is instead.",
    };
  }
  const module = ownModuleOf(name);
  if (module !== null) {
    return { what: `Cannot find name '${name}'.`, fix: `Import it from ${module}: \`import { ${name} } from "${module}";\`.` };
  }
  const [, guess] = /Did you mean '([^']+)'\?/.exec(text) ?? [];
  return {
    what: `Cannot find name '${name}'.`,
    fix: guess === undefined ? "Import it, or declare it." : `Did you mean \`${guess}\`? Else import it, or declare it.`,
  };
}
