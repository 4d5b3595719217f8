/**
 * What is remembered about labs between commands: one directory, with one file per lab, the name of the selected lab in `current`
 * and the last number given out in `highest_num`; where and what the tutorial's test environment writes, so that both can work on
 * each other's labs. `NAME.setup` is ours: it exists while NAME is being made, so that what a killed setup leaves behind can be told
 * from things that have the same name by chance.
 *
 * Files are replaced whole, by rename: a reader sees the old or the new one.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WirescriptError } from "../errors.ts";
import { MESSAGES } from "./messages.ts";
import { numberOf, planFor } from "./plan.ts";

/** `${TMPDIR:-/tmp}/xdp-tutorial-testlab` */
export const defaultStateDirectory = (): string => join(process.env.TMPDIR || "/tmp", "xdp-tutorial-testlab");

/** A lab as its state file has it. */
export interface LabState {
  /** Also the name of the namespace and of the device outside. */
  name: string;
  number: number;
  insideMac: string;
  outsideMac: string;
  /** IPv4 besides IPv6. */
  legacyIp: boolean;
  vlan: boolean;
}

const STATE_SUFFIX = ".state";
const HOSTS_SUFFIX = ".hosts";
const SETUP_SUFFIX = ".setup";

/** The names of all labs, sorted. */
export function listLabs(directory: string): string[] {
  return namesWith(directory, STATE_SUFFIX);
}

/** The names of all labs with hosts (`network/`), sorted. */
export function listNetworks(directory: string): string[] {
  return namesWith(directory, HOSTS_SUFFIX);
}

/** The names of labs that are being made, or whose making was killed. */
export function listUnfinished(directory: string): string[] {
  return namesWith(directory, SETUP_SUFFIX);
}

function namesWith(directory: string, suffix: string): string[] {
  return (unlessMissing(() => readdirSync(directory)) ?? [])
    .filter((file) => file.endsWith(suffix) && !file.startsWith("."))
    .map((file) => file.slice(0, -suffix.length))
    .sort();
}

/** @throws WirescriptError LAB when there is no lab of that name, or its file is damaged. */
export function readState(directory: string, name: string): LabState {
  const state = findState(directory, name);
  if (state !== null) return state;
  const labs = listLabs(directory);
  throw new WirescriptError({
    code: "LAB",
    what: MESSAGES.doesNotExist(name),
    why: labs.length === 0 ? `${directory} knows of none.` : `There are ${labs.join(", ")}.`,
    fix: "Name one of these with --name, or make it with 'setup'.",
  });
}

/** As `readState`, but null when there is no lab of that name. */
export function findState(directory: string, name: string): LabState | null {
  const path = join(directory, name + STATE_SUFFIX);
  const text = unlessMissing(() => readFileSync(path, "utf8"));
  if (text === null) return null;
  const variables = parseAssignments(text);
  const number = numberOf(variables.get("IP6_PREFIX") ?? "");
  const insideMac = variables.get("INSIDE_MAC");
  const outsideMac = variables.get("OUTSIDE_MAC");
  if (number === null || insideMac === undefined || outsideMac === undefined) {
    throw new WirescriptError({
      code: "LAB",
      what: `The state of environment '${name}' cannot be read.`,
      why: `${path} lacks IP6_PREFIX, INSIDE_MAC or OUTSIDE_MAC, or has others than this version's.`,
      fix: `Remove the file, then the device and the namespace ${name} if they exist.`,
    });
  }
  const isOn = (variable: string) => variables.get(variable) === "1";
  return { name, number, insideMac, outsideMac, legacyIp: isOn("ENABLE_IPV4"), vlan: isOn("ENABLE_VLAN") };
}

export function writeState(directory: string, state: LabState): void {
  const { ip6, ip4 } = planFor(state.number);
  const variables: [string, string][] = [
    ["IP6_PREFIX", ip6.prefix],
    ["IP4_PREFIX", ip4?.prefix ?? ""],
    ["INSIDE_IP6", ip6.inside],
    ["INSIDE_IP4", ip4?.inside ?? ""],
    ["INSIDE_MAC", state.insideMac],
    ["OUTSIDE_IP6", ip6.outside],
    ["OUTSIDE_IP4", ip4?.outside ?? ""],
    ["OUTSIDE_MAC", state.outsideMac],
    ["ENABLE_IPV4", state.legacyIp ? "1" : "0"],
    ["ENABLE_VLAN", state.vlan ? "1" : "0"],
  ];
  replaceFile(directory, state.name + STATE_SUFFIX, variables.map(([name, value]) => `${name}='${value}'\n`).join(""));
}

/** A lab with hosts, as its state file has it. */
export interface NetworkState {
  name: string;
  middle: "switch" | "router";
  hosts: number;
}

/** null when there is no lab with hosts of that name. @throws WirescriptError LAB when its file is damaged. */
export function findNetworkState(directory: string, name: string): NetworkState | null {
  const path = join(directory, name + HOSTS_SUFFIX);
  const text = unlessMissing(() => readFileSync(path, "utf8"));
  if (text === null) return null;
  const variables = parseAssignments(text);
  const middle = variables.get("MIDDLE");
  const hosts = Number(variables.get("HOSTS"));
  if ((middle === "switch" || middle === "router") && Number.isInteger(hosts)) return { name, middle, hosts };
  throw new WirescriptError({
    code: "LAB",
    what: `The state of environment '${name}' cannot be read.`,
    why: `${path} lacks MIDDLE or HOSTS, or has others than this version's.`,
    fix: `Remove the file, then the namespaces ${name}, ${name}-1, ${name}-2, … if they exist.`,
  });
}

export function writeNetworkState(directory: string, { name, middle, hosts }: NetworkState): void {
  replaceFile(directory, name + HOSTS_SUFFIX, `MIDDLE='${middle}'\nHOSTS='${hosts}'\n`);
}

export function removeNetworkState(directory: string, name: string): void {
  rmSync(join(directory, name + HOSTS_SUFFIX), { force: true });
}

/** `NAME=value`, quoted or not, with or without `export` before it: what a shell would make of the file, without running it. */
function parseAssignments(text: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^\s*(?:export\s+|declare\s+\S+\s+)?([A-Z0-9_]+)=(['"]?)(.*)\2\s*$/.exec(line);
    if (match?.[1] !== undefined && match[3] !== undefined) variables.set(match[1], match[3]);
  }
  return variables;
}

export function removeState(directory: string, name: string): void {
  rmSync(join(directory, name + STATE_SUFFIX), { force: true });
}

/** Notes that `name` is being made, before anything of it exists. */
export function beginSetup(directory: string, name: string): void {
  replaceFile(directory, name + SETUP_SUFFIX, `${process.pid}\n`);
}

export function endSetup(directory: string, name: string): void {
  rmSync(join(directory, name + SETUP_SUFFIX), { force: true });
}

/** The lab that commands without a name are about; null when none is selected, or it is gone. */
export function currentLab(directory: string): string | null {
  const name = unlessMissing(() => readFileSync(join(directory, "current"), "utf8"))?.trim();
  return name === undefined || name === "" ? null : name;
}

export function selectLab(directory: string, name: string): void {
  replaceFile(directory, "current", `${name}\n`);
}

/** Deselects `name` if it is the selected one. */
export function deselectLab(directory: string, name: string): void {
  if (currentLab(directory) === name) rmSync(join(directory, "current"), { force: true });
}

/** The last number that was given out; 0 when there are no labs. */
export function highestNumber(directory: string): number {
  const text = unlessMissing(() => readFileSync(join(directory, "highest_num"), "utf8"));
  const number = Number.parseInt(text ?? "0", 10);
  return Number.isNaN(number) ? 0 : number;
}

export function rememberNumber(directory: string, number: number): void {
  if (number > highestNumber(directory)) replaceFile(directory, "highest_num", `${number}\n`);
}

/**
 * Makes the directory. It is in a place where everybody may write, and what its files say is done by root: it has to be ours alone.
 *
 * @throws WirescriptError LAB when it belongs to somebody else, or others may write to it.
 */
export function openStateDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const status = lstatSync(directory);
  const isOwn = status.uid === process.geteuid?.();
  if (status.isDirectory() && isOwn && (status.mode & 0o022) === 0) return;
  throw new WirescriptError({
    code: "LAB",
    what: `The state of labs cannot be kept in ${directory}.`,
    why: !status.isDirectory()
      ? "It is no directory."
      : isOwn
        ? "Other users may write to it."
        : `It belongs to user ${status.uid}, who could make root do things.`,
    fix: "Look at what it is, remove it, and try again; or set TMPDIR to a directory of your own.",
  });
}

/** Removes the directory with everything in it when no lab is left, finished or not. */
export function removeIfUnused(directory: string): void {
  if ([listLabs, listNetworks, listUnfinished].some((list) => list(directory).length > 0)) return;
  for (const file of ["current", "highest_num"]) rmSync(join(directory, file), { force: true });
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

function replaceFile(directory: string, name: string, content: string): void {
  const temporary = join(directory, `.${name}.${process.pid}`);
  writeFileSync(temporary, content, { mode: 0o600 });
  renameSync(temporary, join(directory, name));
}

function unlessMissing<Result>(read: () => Result): Result | null {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
