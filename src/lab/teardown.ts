/** The end of a lab: everything that belongs to it goes, whatever of it there still is, and the result says what that was. */
import { readlinkSync } from "node:fs";
import { WirescriptError } from "../errors.ts";
import { inNamespace, namespaceExists } from "../sys/namespaces.ts";
import { processesThat, type RunningProcess } from "../sys/processes.ts";
import { removeDevices } from "./devices.ts";
import { withLock } from "./lock.ts";
import { MESSAGES } from "./messages.ts";
import { removePins } from "./pins.ts";
import { requireRoot } from "./preflight.ts";
import { selectedName } from "./select.ts";
import { type Lab, type SetupOptions, setUpLocked } from "./setup.ts";
import { defaultStateDirectory, deselectLab, endSetup, findState, listUnfinished, readState, removeState } from "./state.ts";

export interface TeardownOptions {
  /** Default: the selected lab. */
  name?: string;
  stateDirectory?: string;
  say?: (line: string) => void;
}

export interface TeardownResult {
  name: string;
  /** What was there and is gone. */
  removed: Part[];
  /** What a lab has, and this one had no more. */
  missing: Part[];
  /** Processes that still run in the namespace, which lives on without a name until they end. */
  processes: RunningProcess[];
}

/** Pins are only mentioned when there were any: most labs have none. */
export type Part = "link" | "namespace" | "pins";

/**
 * Takes a lab away, also one that is half gone, or whose setup was killed.
 *
 * @throws WirescriptError LAB when there is no lab of that name, or none is selected; NO_PRIVILEGES.
 */
export async function teardown(options: TeardownOptions = {}): Promise<TeardownResult> {
  requireRoot();
  const directory = options.stateDirectory ?? defaultStateDirectory();
  return await withLock(directory, () => tearDownLocked(selectedName(options.name, directory), directory, options.say));
}

/**
 * Takes a lab away and makes it again, with the same name, addresses and options.
 *
 * @throws WirescriptError as `teardown` and `setup` do. When the setup fails, the lab is gone.
 */
export async function reset(options: TeardownOptions & Pick<SetupOptions, "signal"> = {}): Promise<Lab> {
  requireRoot();
  const directory = options.stateDirectory ?? defaultStateDirectory();
  return await withLock(directory, async () => {
    const name = selectedName(options.name, directory);
    const { number, legacyIp, vlan } = readState(directory, name);
    tearDownLocked(name, directory, options.say);
    return await setUpLocked({ ...options, name, directory, number, legacyIp, vlan });
  });
}

function tearDownLocked(name: string, directory: string, say: (line: string) => void = () => {}): TeardownResult {
  // A damaged state file does not keep its lab from being removed: only the name is needed.
  const isKnown = isDamaged(directory, name) || findState(directory, name) !== null || listUnfinished(directory).includes(name);
  if (!isKnown) readState(directory, name);
  say(MESSAGES.tearingDown(name));
  const processes = namespaceExists(name) ? processesIn(name) : [];
  const parts = { ...removeDevices(name), pins: removePins(name) };
  removeState(directory, name);
  endSetup(directory, name);
  deselectLab(directory, name);
  const names = Object.keys(parts) as Part[];
  return {
    name,
    removed: names.filter((part) => parts[part]),
    missing: names.filter((part) => !parts[part] && part !== "pins"),
    processes,
  };
}

function isDamaged(directory: string, name: string): boolean {
  try {
    findState(directory, name);
    return false;
  } catch (error) {
    if (error instanceof WirescriptError) return true;
    throw error;
  }
}

/** The processes in the network namespace of that name. */
export function processesIn(name: string): RunningProcess[] {
  let namespace: string;
  try {
    namespace = inNamespace(name, () => readlinkSync("/proc/thread-self/ns/net"));
  } catch (error) {
    // A name without a namespace, left by a setup that was killed: nobody runs in it.
    if (error instanceof WirescriptError) return [];
    throw error;
  }
  return processesThat((pid) => readlinkSync(`/proc/${pid}/ns/net`) === namespace);
}
