/** Which lab a command is about: the named one, or the selected one. */
import { WirescriptError } from "../errors.ts";
import { MESSAGES } from "./messages.ts";
import { requireRoot } from "./preflight.ts";
import { type Lab, labOf } from "./setup.ts";
import { currentLab, defaultStateDirectory, listLabs, readState } from "./state.ts";

export interface LabSelection {
  /** Default: the selected lab. */
  name?: string;
  stateDirectory?: string;
}

/** @throws WirescriptError LAB when neither is given. */
export function selectedName(name: string | undefined, directory: string): string {
  const selected = name ?? currentLab(directory);
  if (selected !== null) return selected;
  const labs = listLabs(directory);
  throw new WirescriptError({
    code: "LAB",
    what: MESSAGES.noneSelected,
    why: labs.length === 0 ? "There are no labs." : `There are ${labs.join(", ")}, and none of them was set up last.`,
    fix: labs.length === 0 ? "Make one: wirescript lab setup --name test" : `Say which: --name ${labs[0]}`,
  });
}

/** The lab of that name, or the selected one. @throws WirescriptError LAB when there is none; NO_PRIVILEGES: its state is root's to read. */
export function openLab(selection: LabSelection = {}): Lab {
  requireRoot();
  const directory = selection.stateDirectory ?? defaultStateDirectory();
  return labOf(readState(directory, selectedName(selection.name, directory)), directory);
}
