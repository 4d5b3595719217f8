/**
 * The last accepted state on disk. Whatever happens while it is written, a whole state is there afterwards, the old one or the new one: it is
 * written beside, synced, and renamed; the one before is kept under a name of its own. A file says what its contents must add up to, so damage
 * is noticed, told, and the one before is used.
 *
 * One process at a time has a directory, by a lock that ends with the process.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, existsSync, mkdirSync, openSync } from "node:fs";
import { link, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { WirescriptError } from "../errors.ts";
import { tryFlock } from "../sys/flock.ts";
import type { Problem } from "./contract.ts";
import type { Deadlines } from "./drains.ts";
import { problemText, StateNotSaved } from "./refusals.ts";
import { State } from "./state.ts";
import { validate } from "./validate.ts";

/** Where balancers keep their states, each in a directory of its own. */
export const STATE_DIRECTORY = "/var/lib/wirescript/balancer";

export interface Accepted {
  revision: number;
  /** When it was accepted. */
  since: Date;
  state: State;
  /** Until when backends drain whose connections end then: milliseconds since 1970, by service and backend. */
  deadlines: Deadlines;
}

/** A file that could not be used. */
export interface Damage {
  path: string;
  why: string;
  /** Where it was put, for whoever wants to look into it. */
  keptAs: string;
}

export interface Loaded {
  /** Null when nothing has been saved yet. */
  accepted: Accepted | null;
  damaged: Damage[];
}

const FORMAT = "wirescript-balancer 1";

export class Store {
  readonly directory: string;
  readonly #lock: number;
  #open = true;

  /**
   * Makes the directory when it is not there, and takes its lock.
   *
   * @throws WirescriptError CONFLICT when another process has it, USAGE when it cannot be made.
   */
  constructor(directory: string) {
    this.directory = directory;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      this.#lock = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch (cause) {
      throw new WirescriptError({
        code: "USAGE",
        what: `The directory ${directory} for the balancer's state cannot be used.`,
        why: (cause as Error).message,
        fix: "Make it, let this user write to it, or name another one.",
        cause,
      });
    }
    if (tryFlock(this.#lock)) return;
    closeSync(this.#lock);
    throw new WirescriptError({
      code: "CONFLICT",
      what: `Another process steers the balancer whose state is in ${directory}.`,
      why: "It holds the lock on that directory.",
      fix: `Find it with \`fuser ${directory}\`, and talk to its API; or name another instance.`,
    });
  }

  get #current(): string {
    return join(this.directory, "state");
  }

  get #previous(): string {
    return join(this.directory, "state.previous");
  }

  /**
   * The last state that was saved whole. A damaged one is put aside and told, and the one before it is given.
   *
   * @throws WirescriptError BAD_FILE when there are states, and none of them is whole.
   */
  async load(): Promise<Loaded> {
    const damaged: Damage[] = [];
    for (const path of [this.#current, this.#previous]) {
      const text = await textOf(path);
      if (text === null) continue;
      const read = decode(text);
      if (typeof read !== "string") return { accepted: read, damaged };
      const keptAs = `${path}.damaged`;
      await rename(path, keptAs);
      damaged.push({ path, why: read, keptAs });
    }
    if (damaged.length === 0) return { accepted: null, damaged };
    throw new WirescriptError({
      code: "BAD_FILE",
      what: `No state in ${this.directory} is whole.`,
      why: damaged.map(({ path, why, keptAs }) => `${path}: ${why} It is ${keptAs} now.`).join("\n"),
      fix: "Start with a document of the state that is meant. What runs in the kernel goes on until then.",
    });
  }

  /**
   * When the promise is fulfilled, this state is on disk, and the one before it is the previous one. When it is not, the last state is what it was.
   *
   * @throws StateNotSaved
   */
  async save(accepted: Accepted): Promise<void> {
    const next = join(this.directory, "state.next");
    try {
      await writeSynced(next, encode(accepted));
      await this.#keepPrevious();
      await rename(next, this.#current);
      await this.#syncDirectory().catch((error: unknown) => this.#putBack(error));
    } catch (cause) {
      // What is told is why the state was not saved, whatever becomes of this file: the next save writes over it.
      await rm(next, { force: true }).catch(() => undefined);
      throw new StateNotSaved(this.directory, cause);
    }
  }

  /** The new state is in its place, but nobody knows for how long: the one before takes it again. */
  async #putBack(error: unknown): Promise<never> {
    if (existsSync(this.#previous)) await rename(this.#previous, this.#current);
    else await rm(this.#current);
    throw error;
  }

  /** By a second name, so that the first one is never away. */
  async #keepPrevious(): Promise<void> {
    const second = join(this.directory, "state.kept");
    await rm(second, { force: true });
    try {
      await link(this.#current, second);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    await rename(second, this.#previous);
  }

  async #syncDirectory(): Promise<void> {
    const directory = await open(this.directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  /** Gives the lock back. Does nothing the second time. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#lock);
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function encode({ since, ...accepted }: Accepted): string {
  const body = `${JSON.stringify({ ...accepted, since: since.toISOString() })}\n`;
  return `${FORMAT} ${digest(body)}\n${body}`;
}

/** What was saved, or what is wrong with it. */
function decode(text: string): Accepted | string {
  const end = text.indexOf("\n");
  const [header, body] = [text.slice(0, end), text.slice(end + 1)];
  if (!header.startsWith("wirescript-balancer ")) return "It is no state of a balancer.";
  if (!header.startsWith(`${FORMAT} `)) return "It was written by another version of Wirescript.";
  if (header !== `${FORMAT} ${digest(body)}`) return "Its contents do not add up to what it says.";
  const saved = JSON.parse(body) as Omit<Accepted, "since"> & { since: string };
  const problems: Problem[] = [];
  const state = validate<State>(State, saved.state, problems);
  if (state === undefined) return `It does not fit this version of Wirescript: ${problems.map(problemText).join(" ")}`;
  return { ...saved, state, since: new Date(saved.since) };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
