/**
 * A desired state as people write it down: YAML 1.2, of which JSON is a part. Whatever is wrong with it is told at once, with line and column.
 *
 * Scalars mean what YAML's core schema says, so `02:00:00:00:00:01` stays text and `no` too. A document says everything in place: aliases are not
 * followed without end, and other tags than YAML's own are mistakes.
 */
import {
  type Document,
  isCollection,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLError,
} from "yaml";
import { checkState, type Surroundings } from "./checks.ts";
import type { Problem } from "./contract.ts";
import { InvalidState } from "./refusals.ts";
import { State } from "./state.ts";
import { validate } from "./validate.ts";

export interface DocumentOptions {
  /** What messages call it: a file's name. */
  name?: string;
  /** What the network gives when the document does not. */
  surroundings?: Surroundings;
}

/**
 * The desired state in `text`, complete and with its addresses in their canonical form.
 *
 * @throws InvalidState with all problems; each has `line` and `column`.
 */
export function readDocument(text: string, { name, surroundings = {} }: DocumentOptions = {}): State {
  const subject = `${name ?? "The document"} is no state that a balancer can be in.`;
  const positions = new LineCounter();
  const document = parseDocument(text, { lineCounter: positions, prettyErrors: false, stringKeys: true });
  const mistakes = [...document.errors, ...document.warnings];
  if (mistakes.length > 0)
    throw new InvalidState(
      mistakes.map((mistake) => syntaxProblem(mistake, positions)),
      subject,
    );
  const place = (problem: Problem): Problem => ({ ...problem, ...placeOf(document, problem.path, positions) });
  const problems: Problem[] = [];
  const written = contents(document, problems);
  const state = problems.length === 0 ? stateFrom(written, surroundings, problems) : undefined;
  if (state === undefined) throw new InvalidState(inOrder(problems.map(place)), subject);
  return state;
}

/**
 * The desired state that a value is, such as the body of a request: complete, checked, and with its addresses in their canonical form. `trusted`
 * are services that came out of here before, with the same source addresses, and cannot have changed since: they are not looked at again.
 *
 * @throws InvalidState with all problems.
 */
export function completeState(value: unknown, surroundings: Surroundings = {}, trusted?: ReadonlySet<unknown>): State {
  const problems: Problem[] = [];
  const state = stateFrom(value, surroundings, problems, trusted);
  if (state === undefined) throw new InvalidState(problems);
  return state;
}

function stateFrom(
  value: unknown,
  surroundings: Surroundings,
  problems: Problem[],
  trusted?: ReadonlySet<unknown>,
): State | undefined {
  const state = validate<State>(
    State,
    value,
    problems,
    trusted === undefined ? {} : { trusted: { at: "/services", entries: trusted } },
  );
  return state === undefined ? undefined : checkState(state, surroundings, problems, trusted);
}

/** A document without content is refused: an editor that truncates before it writes would take all services away. */
function contents(document: Document, problems: Problem[]): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 1000 });
    if (value === null || value === undefined)
      problems.push({ path: "", what: "It says nothing.", fix: "Write `services: []` if there are to be none." });
    return value;
  } catch (error) {
    // An alias to nothing, or too many of them.
    problems.push({ path: "", what: (error as Error).message });
    return undefined;
  }
}

function syntaxProblem({ message, pos }: YAMLError, positions: LineCounter): Problem {
  const { line, col } = positions.linePos(pos[0]);
  return { path: "", what: message, line: Math.max(1, line), column: Math.max(1, col) };
}

/** Where the value is, or, when it is missing, what it is missing in. Of a field that should not be there: its name. */
function placeOf(document: Document, path: string, positions: LineCounter): { line: number; column: number } {
  let node = document.contents as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (const step of stepsOf(path)) {
    if (!isCollection(node)) break;
    const pair = isMap(node) ? node.items.find((each) => keyOf(each) === step) : undefined;
    const key = pair?.key as Node | null | undefined;
    const next = (pair === undefined ? (isMap(node) ? undefined : node.get(Number(step), true)) : pair.value) as
      | Node
      | null
      | undefined;
    if (next === undefined && pair === undefined) break;
    offset = next?.range?.[0] ?? key?.range?.[0] ?? offset;
    node = next ?? null;
  }
  const { line, col } = positions.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function keyOf({ key }: Pair): string {
  return isScalar(key) ? String(key.value) : String(key);
}

function stepsOf(path: string): string[] {
  return path
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function inOrder(problems: Problem[]): Problem[] {
  return problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}
