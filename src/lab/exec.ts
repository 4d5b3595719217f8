/**
 * Commands inside a lab: in its network namespace, with a /sys of its own, and with the lab's pins as /sys/fs/bpf (see `pins.ts`).
 * The terminal belongs to the command while it runs: Ctrl-C reaches it, not us, and its exit status is handed on.
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { constants } from "node:os";
import { WirescriptError } from "../errors.ts";
import { inPrivateMounts } from "../sys/mount-namespace.ts";
import { inNamespace, namespaceExists } from "../sys/namespaces.ts";
import { insidePinDirectory } from "./pins.ts";

/** Where a command runs: a lab, or a namespace of a lab with hosts. */
export interface Inside {
  /** Of the namespace, and of the directory of its pins. */
  name: string;
  /** The lab that it belongs to; default: `name`. */
  labName?: string;
}

export interface ExecResult {
  /** The command's exit status; 128 and the signal's number when a signal ended it, as shells have it. */
  exitCode: number;
  signal: NodeJS.Signals | null;
}

export interface SpawnOptions {
  /** Default "inherit". */
  stdio?: StdioOptions;
  /** Besides this process's environment and TESTENV_NAME. */
  env?: Record<string, string>;
}

/**
 * Starts a command inside. Synchronous, because the process takes the namespaces of the thread that starts it.
 *
 * @throws WirescriptError LAB when the lab's namespace is gone, NO_PRIVILEGES.
 */
export function spawnInLab(lab: Inside, command: readonly [string, ...string[]], options: SpawnOptions = {}): ChildProcess {
  requireNamespace(lab);
  const pins = insidePinDirectory(lab.name);
  const [file, ...args] = command;
  const env = { ...process.env, ...options.env, TESTENV_NAME: lab.name };
  return inNamespace(lab.name, () =>
    inPrivateMounts(pins, () => spawn(file, args, { stdio: options.stdio ?? "inherit", env })),
  );
}

/**
 * Runs a command inside, on this process's terminal, until it ends. Meanwhile Ctrl-C and Ctrl-\ are the command's business, and SIGTERM
 * and SIGHUP are passed on to it.
 *
 * @throws WirescriptError LAB when the lab's namespace is gone; USAGE when there is no such command; NO_PRIVILEGES.
 */
export async function exec(
  lab: Inside,
  command: readonly [string, ...string[]],
  options: SpawnOptions = {},
): Promise<ExecResult> {
  return await untilExit(spawnInLab(lab, command, options), command[0]);
}

/** Runs the user's shell inside: $SHELL, or bash, as the tutorial has it. */
export async function enter(lab: Inside, options: SpawnOptions = {}): Promise<ExecResult> {
  return await exec(lab, [process.env.SHELL || "bash"], options);
}

/** Waits for a process on our terminal. */
export async function untilExit(child: ChildProcess, name: string): Promise<ExecResult> {
  // The terminal sends these to the whole foreground group, the child included: it decides what they mean.
  const ignore = () => {};
  const forward = (signal: NodeJS.Signals) => void child.kill(signal);
  process.on("SIGINT", ignore).on("SIGQUIT", ignore).on("SIGTERM", forward).on("SIGHUP", forward);
  try {
    return await new Promise<ExecResult>((resolve, reject) => {
      child.once("error", (error: NodeJS.ErrnoException) => reject(cannotRun(name, error)));
      child.once("exit", (code, signal) => {
        resolve({ exitCode: signal === null ? (code ?? 0) : 128 + constants.signals[signal], signal });
      });
    });
  } finally {
    process.off("SIGINT", ignore).off("SIGQUIT", ignore).off("SIGTERM", forward).off("SIGHUP", forward);
  }
}

function cannotRun(name: string, cause: NodeJS.ErrnoException): WirescriptError {
  const why = { ENOENT: "There is no such program.", EACCES: "It is no program, or may not be run." }[cause.code ?? ""];
  return new WirescriptError({
    code: "USAGE",
    what: `"${name}" cannot be run.`,
    why: why ?? cause.message,
    fix: "Check its spelling; a program in the current directory needs ./ before its name.",
    cause,
  });
}

function requireNamespace(lab: Inside): void {
  if (namespaceExists(lab.name)) return;
  throw new WirescriptError({
    code: "LAB",
    what: `The network namespace of environment '${lab.name}' is gone.`,
    why: "Something else deleted it, or the machine was started anew.",
    fix: `Make it again: wirescript lab reset --name ${lab.labName ?? lab.name}`,
  });
}
