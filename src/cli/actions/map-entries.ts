/** `wirescript maps dump|get|set|delete|watch`: entries of any map, decoded by the kernel's types for it. */
import { WirescriptError } from "../../errors.ts";
import { MAP_TYPE } from "../../object/spec.ts";
import { openMapFd } from "../../runtime/kernel-objects.ts";
import { compareSnapshots, type MapEntry, MapReader } from "../../runtime/map-reader.ts";
import { listPins } from "../../runtime/pins.ts";
import { SELECTOR, type Selector, takeSelector } from "../../runtime/selector.ts";
import { plainText } from "../../runtime/value-text.ts";
import { Interruption } from "../interruption.ts";
import { shellWord } from "../own-command.ts";
import { mustBeAbleTo } from "../preflight.ts";
import { jsonLine, paint, say, sayJson, sayJsonLine } from "../terminal.ts";

export interface DumpMapOptions {
  perCpu?: boolean;
  json?: boolean;
}

export interface SetOptions {
  new?: boolean;
  existing?: boolean;
}

export interface WatchOptions {
  /** Seconds. */
  interval: number;
  count?: number;
  json?: boolean;
}

/** Lines that are written at once. */
const AT_ONCE = 1000;
/** Keys are aligned as far as this. */
const WIDEST_KEY = 60;

export async function dumpMap(words: readonly string[], options: DumpMapOptions): Promise<void> {
  using reader = await open(taken("dump", words, []).selector);
  let lines: string[] = [];
  let first = true;
  const flush = (): void => {
    if (lines.length === 0) return;
    say(options.json === true ? `${first ? "[" : ","}${lines.join(",\n ")}` : lines.join("\n"));
    lines = [];
    first = false;
  };
  // The first entries decide how wide the keys' column is.
  let width = 0;
  let waiting: MapEntry[] = [];
  const write = (entry: MapEntry): void => {
    if (options.json === true) lines.push(jsonLine(entry));
    else lines.push(...entryLines(entry, width, options));
    if (lines.length >= AT_ONCE) flush();
  };
  const settle = (): void => {
    width = Math.min(WIDEST_KEY, Math.max(0, ...waiting.map(({ key }) => plainText(key).length)));
    for (const entry of waiting) write(entry);
    waiting = [];
  };
  let count = 0;
  for (const entry of reader.entries()) {
    if (++count <= AT_ONCE) waiting.push(entry);
    else {
      if (waiting.length > 0) settle();
      write(entry);
    }
  }
  settle();
  flush();
  if (options.json === true) say(first ? "[]" : "]");
  else if (count === 0) process.stderr.write("The map is empty.\n");
}

export async function getEntry(words: readonly string[], options: DumpMapOptions): Promise<void> {
  const { selector, rest } = taken("get", words, ["KEY"]);
  const [key = ""] = rest;
  using reader = await open(selector);
  const entry = reader.get(key);
  if (entry === undefined) throw noSuchKey(reader, key);
  if (options.json === true) return sayJson(entry);
  for (const line of entryLines(entry, 0, options)) say(line);
}

export async function setEntry(words: readonly string[], options: SetOptions): Promise<void> {
  const { selector, rest } = takeSelector(words, "map");
  using reader = await open(selector);
  const [key, value] = reader.keyless ? [null, rest[0]] : [rest[0], rest[1]];
  if (key === undefined || value === undefined || rest.length > (reader.keyless ? 1 : 2)) {
    const named = words
      .slice(0, words.length - rest.length)
      .map(shellWord)
      .join(" ");
    throw new WirescriptError({
      code: "USAGE",
      what: `"${rest.join(" ")}" is no entry of the map "${reader.info.name}".`,
      why: reader.keyless
        ? "Maps of its type have values, and no keys."
        : "An entry is a key and a value, each one word of the command line.",
      fix: reader.keyless
        ? `wirescript maps set ${named} VALUE`
        : `wirescript maps set ${named} KEY VALUE, with quotes around each where it has spaces.`,
    });
  }
  reader.set(key, value, options.new === true ? "noexist" : options.existing === true ? "exist" : "any");
  const { id, type } = reader.info;
  if (type === MAP_TYPE.PROG_ARRAY && !listPins().some((pin) => pin.kind === "map" && pin.id === id)) {
    process.stderr.write(
      "The map is not pinned: the kernel empties an array of programs when no process has it open any more.\n",
    );
  }
}

export async function deleteEntry(words: readonly string[]): Promise<void> {
  const { selector, rest } = taken("delete", words, ["KEY"]);
  const [key = ""] = rest;
  using reader = await open(selector);
  if (!reader.delete(key)) throw noSuchKey(reader, key);
}

export async function watchMap(words: readonly string[], { interval, count, json }: WatchOptions): Promise<void> {
  using reader = await open(taken("watch", words, []).selector);
  using interruption = new Interruption();
  const look = () => new Map([...reader.entries()].map((entry) => [plainText(entry.key), entry]));
  let before = look();
  process.stderr.write(`Watching ${before.size} entries of "${reader.info.name}" (id ${reader.info.id}).\n`);
  for (let looks = 0; count === undefined || looks < count; looks++) {
    if (!(await interruption.pause(interval, "Only the watching ended; the map was not changed."))) return;
    const now = look();
    const at = new Date();
    for (const { key, before: old, after } of compareSnapshots(before, now)) {
      if (json === true) sayJsonLine({ at, key, before: old, after });
      else say(`${paint("dim", at.toISOString().slice(11, 23))}  ${plainText(key)}  ${changeText(old, after)}`);
    }
    before = now;
  }
}

function changeText(before: MapEntry["value"], after: MapEntry["value"]): string {
  if (before === null) return paint("green", `+ ${plainText(after)}`);
  if (after === null) return paint("red", `- ${plainText(before)}`);
  return `${paint("red", plainText(before))} ${paint("dim", "→")} ${paint("green", plainText(after))}`;
}

async function open(selector: Selector): Promise<MapReader> {
  await mustBeAbleTo("read and change maps");
  return new MapReader(openMapFd(selector));
}

/** The map that is named first, and the words behind it: as many as are wanted. @throws WirescriptError USAGE */
function taken(verb: string, words: readonly string[], wanted: readonly string[]): ReturnType<typeof takeSelector> {
  const found = takeSelector(words, "map");
  const { length } = found.rest;
  if (length === wanted.length) return found;
  const synopsis = ["wirescript maps", verb, "MAP", ...wanted].join(" ");
  throw new WirescriptError({
    code: "USAGE",
    what:
      length < wanted.length
        ? `"maps ${verb} ${words.join(" ")}" says no key.`
        : `"${found.rest.slice(wanted.length).join(" ")}" is too much for maps ${verb}.`,
    why: `It takes a map, by ${SELECTOR}${wanted.length === 0 ? "" : ", and a key, which is one word of the command line"}.`,
    fix: `${synopsis}${wanted.length === 0 ? "" : ", with quotes around the key where it has spaces"}; see: wirescript maps ${verb} --help`,
  });
}

/** Of a per-CPU value whose fields have no sum, all copies are shown. */
function entryLines({ key, value, values }: MapEntry, width: number, { perCpu }: DumpMapOptions): string[] {
  const label = (key === null ? "(next)" : plainText(key)).padEnd(width);
  if (values === undefined || (perCpu !== true && value !== null)) return [`${paint("bold", label)}  ${plainText(value)}`];
  return values.map(
    (each, cpu) => `${paint("bold", cpu === 0 ? label : " ".repeat(label.length))}  cpu ${cpu}  ${plainText(each)}`,
  );
}

function noSuchKey({ info }: MapReader, key: string): WirescriptError {
  return new WirescriptError({
    code: "MAP",
    what: `The map "${info.name}" (id ${info.id}) has no entry ${key}.`,
    why: "It was deleted, or never there.",
    fix: `See what is there: wirescript maps dump ${info.id}`,
  });
}
