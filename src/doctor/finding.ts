/** What the doctor says: one cause of vanishing packets, with the value that shows it and the command that mends it. */

/** Where a finding is. */
export interface Place {
  /** The network namespace as a person names it: its name, or "process 1234"; null where the user's own shell is. */
  netns: string | null;
  /** null when it is about the whole namespace or machine. */
  dev: string | null;
}

export interface Fix {
  /** A line for a shell, to be copied where the doctor was started. */
  command: string;
  /**
   * Whether `--fix` may run it: it changes this one setting and nothing else, loses no state, takes no program off, and whoever minds can take it
   * back with a command of the same kind.
   */
  safe: boolean;
}

export interface Finding {
  /** Of the table in `checks/table.ts`, and a heading in docs/doctor.md. */
  id: string;
  place: Place;
  /** What is wrong, in a sentence. */
  what: string;
  /** The value that was read, and where. */
  evidence: string;
  /** How packets get lost by it. */
  why: string;
  fix: Fix;
}
