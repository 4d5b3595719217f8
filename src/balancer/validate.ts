/**
 * Holds a value against a schema: everything that does not fit, at once and in words, and the value with its defaults. TypeBox's own `Value`
 * stops at eight errors, says "must match a schema in anyOf" of a union, and gives it no defaults; its verdict is the same (a test compares).
 *
 * It knows what `state.ts` uses of JSON Schema. Values are copied field by field, so nothing of the sender's object gets in that no schema names.
 */
import { nearest } from "../nearest.ts";
import type { Problem } from "./contract.ts";

/** The part of JSON Schema that is understood. */
interface Schema {
  type?: "object" | "array" | "string" | "number" | "integer" | "boolean";
  default?: unknown;
  const?: unknown;
  enum?: readonly unknown[];
  anyOf?: readonly Schema[];
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  description?: string;
  minimum?: number;
  maximum?: number;
}

/** Who sends ten thousand wrong things does not want to read them all. */
const MOST_PROBLEMS = 1000;

export interface ValidateOptions {
  /** The value's own JSON pointer. */
  path?: string;
  /** Entries of the list at `at` (a JSON pointer) that came out of here before and cannot have changed since: they are taken as they are. */
  trusted?: { at: string; entries: ReadonlySet<unknown> };
}

/** The value with defaults filled in; undefined when there are `problems`, to which all that is wrong is added. */
export function validate<T>(schema: object, value: unknown, problems: Problem[], options: ValidateOptions = {}): T | undefined {
  const before = problems.length;
  const { path = "", trusted = NOTHING } = options;
  const complete = new Validation(problems, trusted).visit(schema as Schema, value, path);
  // What fits the schema has the schema's type.
  return problems.length === before ? (complete as T) : undefined;
}

/** `/` and `~` are written `~1` and `~0` (RFC 6901). */
export function pointer(path: string, step: string | number): string {
  const text = String(step);
  return `${path}/${/[~/]/.test(text) ? text.replaceAll("~", "~0").replaceAll("/", "~1") : text}`;
}

const NOTHING = { at: "", entries: new Set<unknown>() };

class Validation {
  readonly #problems: Problem[];
  readonly #trusted: NonNullable<ValidateOptions["trusted"]>;

  constructor(problems: Problem[], trusted: NonNullable<ValidateOptions["trusted"]> = NOTHING) {
    this.#problems = problems;
    this.#trusted = trusted;
  }

  #refuse(path: string, what: string, fix?: string): undefined {
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push({ path, what, ...(fix !== undefined && { fix }) });
    if (this.#problems.length === MOST_PROBLEMS)
      this.#problems.push({ path: "", what: "There are more problems than are listed." });
  }

  visit(schema: Schema, given: unknown, path: string): unknown {
    const value = given === undefined ? usual(schema) : given;
    if (value === undefined) return this.#refuse(path, "It is missing.", wanted(schema));
    if (schema.anyOf !== undefined) return this.#union(schema, schema.anyOf, value, path);
    if (schema.const !== undefined || schema.enum !== undefined) {
      return choices(schema).includes(value) ? value : this.#refuse(path, `It is ${shown(value)}.`, correction(schema, value));
    }
    if (schema.type === "object") return this.#object(schema, value, path);
    if (schema.type === "array") return this.#array(schema, value, path);
    return fits(schema, value) ? value : this.#refuse(path, `It is ${shown(value)}.`, wanted(schema));
  }

  #object({ properties = {}, required = [] }: Schema, value: unknown, path: string): unknown {
    if (!isObject(value))
      return this.#refuse(path, `It is ${shown(value)}, and takes fields.`, `It has ${list(Object.keys(properties))}.`);
    const complete: Record<string, unknown> = {};
    for (const [name, schema] of Object.entries(properties)) {
      const field = Object.hasOwn(value, name) ? value[name] : undefined;
      if (field === undefined && !required.includes(name)) continue;
      complete[name] = this.visit(schema, field, pointer(path, name));
    }
    for (const name of Object.keys(value)) {
      if (Object.hasOwn(properties, name) || value[name] === undefined) continue;
      const meant = nearest(name, Object.keys(properties));
      const fix = meant === null ? `There are ${list(Object.keys(properties))}.` : `Did you mean ${meant}?`;
      this.#refuse(pointer(path, name), "There is no such field here.", fix);
    }
    return complete;
  }

  #array({ items = {}, minItems = 0, maxItems = Number.POSITIVE_INFINITY }: Schema, value: unknown, path: string): unknown {
    if (!Array.isArray(value)) return this.#refuse(path, `It is ${shown(value)}, and takes a list.`);
    if (value.length < minItems) return this.#refuse(path, "The list is empty.", `Give at least ${minItems}.`);
    if (value.length > maxItems)
      return this.#refuse(path, `The list has ${value.length} entries.`, `There is room for ${maxItems}.`);
    const trusted = path === this.#trusted.at ? this.#trusted.entries : NOTHING.entries;
    return Array.from(value, (item, index) =>
      trusted.has(item) ? item : this.visit(items, item ?? null, pointer(path, index)),
    );
  }

  /** Of objects, the one that its `type` names; of others, the first that fits. */
  #union(schema: Schema, variants: readonly Schema[], value: unknown, path: string): unknown {
    if (variants.every(({ type }) => type === "object")) {
      if (!isObject(value))
        return this.#refuse(path, `It is ${shown(value)}, and takes fields.`, `For example, type: ${list(types(variants))}.`);
      const named = variants.find((variant) => variant.properties?.type?.const === value.type);
      if (named !== undefined) return this.visit(named, value, path);
      const what = value.type === undefined ? "It is missing." : `It is ${shown(value.type)}.`;
      return this.#refuse(pointer(path, "type"), what, `Give one of ${list(types(variants))}.`);
    }
    for (const variant of variants) {
      const problems: Problem[] = [];
      const complete = new Validation(problems).visit(variant, value, path);
      if (problems.length === 0) return complete;
    }
    return this.#refuse(path, `It is ${shown(value)}.`, wanted(schema));
  }
}

function usual({ default: value }: Schema): unknown {
  return typeof value === "object" ? structuredClone(value) : value;
}

function types(variants: readonly Schema[]): string[] {
  return variants.map(({ properties }) => String(properties?.type?.const));
}

function fits(schema: Schema, value: unknown): boolean {
  if (schema.type === "boolean") return typeof value === "boolean";
  if (schema.type === "string") {
    if (typeof value !== "string") return false;
    const { length } = Array.from(value);
    const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern } = schema;
    return length >= minLength && length <= maxLength && (pattern === undefined || patternOf(pattern).test(value));
  }
  if (typeof value !== "number" || !Number.isFinite(value)) return false;
  if (schema.type === "integer" && !Number.isInteger(value)) return false;
  return value >= (schema.minimum ?? Number.NEGATIVE_INFINITY) && value <= (schema.maximum ?? Number.POSITIVE_INFINITY);
}

const patterns = new Map<string, RegExp>();

function patternOf(text: string): RegExp {
  const known = patterns.get(text);
  if (known !== undefined) return known;
  const made = new RegExp(text, "u");
  patterns.set(text, made);
  return made;
}

function choices(schema: Schema): readonly unknown[] {
  return schema.enum ?? [schema.const];
}

function correction(schema: Schema, value: unknown): string {
  const words = choices(schema).filter((each) => typeof each === "string");
  const meant = typeof value === "string" ? nearest(value, words) : null;
  return meant === null ? wanted(schema) : `Did you mean ${meant}?`;
}

/** "Give a whole number from 1 to 65535." */
function wanted(schema: Schema): string {
  const description = schema.description === undefined ? "" : ` ${schema.description}`;
  return `Give ${kind(schema)}.${description}`;
}

function kind(schema: Schema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(kind).join(" or ");
  if (schema.const !== undefined || schema.enum !== undefined) {
    const all = choices(schema).map(String);
    return all.length === 1 ? `${all[0]}` : `one of ${list(all)}`;
  }
  switch (schema.type) {
    case "integer":
      return `a whole number${range(schema)}`;
    case "number":
      return `a number${range(schema)}`;
    case "boolean":
      return "true or false";
    case "string":
      return schema.maxLength === undefined ? "text" : `text of ${schema.minLength ?? 0} to ${schema.maxLength} characters`;
    case "array":
      return "a list";
    default:
      return "fields";
  }
}

function range({ minimum, maximum }: Schema): string {
  return minimum === undefined || maximum === undefined ? "" : ` from ${minimum} to ${maximum}`;
}

function list(words: readonly string[]): string {
  return words.join(", ");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Short enough for a line, whatever was sent. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (isObject(value)) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 76)} …` : text;
}
