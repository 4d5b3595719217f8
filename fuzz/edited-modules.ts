/** Valid modules with a few random edits: what a person's half-typed, mistyped or damaged file may look like. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import ts from "typescript";
import type { Random } from "./random.ts";

export interface EditedModule {
  /** Which module was edited. */
  name: string;
  /** For reports: what was done to it. */
  edits: string[];
  text: string;
}

interface Original {
  name: string;
  text: string;
  /** How often it is edited beside the others. */
  weight: number;
}

/** Characters, imported modules included, of which one edit is worth as many of smaller modules. */
const LONGEST = 130_000;

/** The ready-made programs, the modules of wirescript/net with a program of their own, and the documentation's examples. */
export function validModules(): Original[] {
  const folder = "src/programs";
  const files = readdirSync(folder).filter((name) => name.endsWith(".bpf.ts"));
  const programs = files.map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }));
  const documented = readFileSync("docs/language.md", "utf8").matchAll(/^```ts\n([\s\S]*?)^```/gm);
  const examples = [...documented].map(([, text = ""], index) => ({ name: `docs/language.md, example ${index + 1}`, text }));
  // Imports of neighbours go on working wherever the edited text is said to be.
  return [...programs, ...examples].map(({ name, text }) => ({
    name,
    text: text.replaceAll(NEIGHBOUR, (_, file: string) => JSON.stringify(resolve(folder, file))),
    // What is long takes long to compile, and an edit tries one place of it: as many places are tried in a minute of each.
    weight: Math.ceil(LONGEST / lengthOf(join(folder, name), text)),
  }));
}

/** An import of a module in the same folder. */
const NEIGHBOUR = /"\.\/([\w-]+\.bpf\.ts)"/g;

/** Characters of a module and of those that it imports from its folder, each once. */
function lengthOf(file: string, text: string, seen = new Set<string>()): number {
  let length = text.length;
  for (const [, name = ""] of text.matchAll(NEIGHBOUR)) {
    const neighbour = join(dirname(file), name);
    if (seen.has(neighbour)) continue;
    seen.add(neighbour);
    length += lengthOf(neighbour, readFileSync(neighbour, "utf8"), seen);
  }
  return length;
}

type Edit = (text: string, tokens: readonly Token[], random: Random) => string;

interface Token {
  start: number;
  end: number;
}

/** Bytes that a disk, a merge tool or a cat on the keyboard may leave. */
const STRANGERS = [
  "\0",
  "\ufeff",
  "\u2028",
  "é",
  "🦆",
  "<<<<<<< HEAD\n",
  "`",
  "${",
  "*/",
  "/*",
  '"',
  "\\",
  "#",
  "@",
  "((((",
  "}}}}",
  "\r",
];
const WORDS = [
  "null",
  "0",
  "-1",
  "0xffffffffffff",
  "1.5",
  "any",
  "u8",
  "bool",
  "as",
  "!",
  "?.",
  "??",
  "=>",
  "let",
  "in",
  "of",
  "...",
  "async",
];

const EDITS: Readonly<Record<string, Edit>> = {
  delete: (text, tokens, random) => replaced(text, random.pick(tokens), ""),
  double: (text, tokens, random) => {
    const token = random.pick(tokens);
    return replaced(text, token, `${piece(text, token)} ${piece(text, token)}`);
  },
  replace: (text, tokens, random) => replaced(text, random.pick(tokens), piece(text, random.pick(tokens))),
  swap: (text, tokens, random) => {
    const [one, other] = [random.pick(tokens), random.pick(tokens)];
    const [first, last] = one.start < other.start ? [one, other] : [other, one];
    if (first === last) return text;
    return (
      text.slice(0, first.start) +
      piece(text, last) +
      text.slice(first.end, last.start) +
      piece(text, first) +
      text.slice(last.end)
    );
  },
  truncate: (text, _, random) => text.slice(0, random.below(text.length)),
  insert: (text, _, random) => {
    const at = random.below(text.length + 1);
    const byte = () => String.fromCharCode(random.chance(80) ? random.between(9, 126) : random.below(0x3000));
    const inserted = random.chance(50) ? random.pick(STRANGERS) : Array.from({ length: random.between(1, 4) }, byte).join("");
    return text.slice(0, at) + inserted + text.slice(at);
  },
  word: (text, tokens, random) => replaced(text, random.pick(tokens), random.pick(WORDS)),
  number: (text, tokens, random) => {
    const numbers = tokens.filter((token) => /^\d/.test(piece(text, token)));
    if (numbers.length === 0) return text;
    const value = random.pick(["0", "1", "-1", "255", "256", "65535", "4294967296", "9007199254740993", "1e999", "0.1", "1n"]);
    return replaced(text, random.pick(numbers), value);
  },
  line: (text, _, random) => {
    const lines = text.split("\n");
    const [from, to] = [random.below(lines.length), random.below(lines.length)];
    const [moved = ""] = lines.splice(from, 1);
    if (random.chance(50)) lines.splice(to, 0, moved);
    return lines.join("\n");
  },
};

/** One to three edits, most often one: what is left is then mostly right. */
export function editedModule(originals: readonly Original[], random: Random): EditedModule {
  const { name, text } = random.weighted(originals.map((original) => [original.weight, original]));
  const count = random.weighted([
    [7, 1],
    [2, 2],
    [1, 3],
  ]);
  const edits: string[] = [];
  let edited = text;
  for (let round = 0; round < count; round++) {
    const tokens = tokensOf(edited);
    if (tokens.length === 0) break;
    const kind = random.pick(Object.keys(EDITS));
    edited = EDITS[kind]?.(edited, tokens, random) ?? edited;
    edits.push(kind);
  }
  return { name, edits, text: edited };
}

function tokensOf(text: string): Token[] {
  const scanner = ts.createScanner(ts.ScriptTarget.ES2022, true, ts.LanguageVariant.Standard, text);
  const result: Token[] = [];
  while (scanner.scan() !== ts.SyntaxKind.EndOfFileToken) {
    result.push({ start: scanner.getTokenStart(), end: scanner.getTokenEnd() });
  }
  return result;
}

function piece(text: string, { start, end }: Token): string {
  return text.slice(start, end);
}

function replaced(text: string, { start, end }: Token, by: string): string {
  return text.slice(0, start) + by + text.slice(end);
}
