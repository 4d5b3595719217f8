/** What the demos have in common: how they speak, and that they leave the machine as it was. */
import { WirescriptError } from "../../../errors.ts";
import { defaultStateDirectory } from "../../../lab/index.ts";
import { isNetwork, openNetwork } from "../../../lab/network/index.ts";
import { openLab } from "../../../lab/select.ts";
import { currentLab, selectLab } from "../../../lab/state.ts";
import { BPFFS_PATH, isMountPoint, unmountUnlessUsed } from "../../../sys/mount.ts";
import { NETNS_DIRECTORY } from "../../../sys/namespaces.ts";
import { paint, say } from "../../terminal.ts";

/** A lab makes these mounts where they are missing, and leaves them to the labs after it. */
const MOUNTS = [BPFFS_PATH, NETNS_DIRECTORY];

/** Which lab was selected, and what was not mounted, when it was made. */
export class Surroundings {
  readonly #selected = currentLab(defaultStateDirectory());
  readonly #unmounted = MOUNTS.filter((path) => !isMountPoint(path));

  restore(): void {
    try {
      if (this.#selected !== null && currentLab(defaultStateDirectory()) === null) selectIfThere(this.#selected);
    } finally {
      for (const path of this.#unmounted) {
        if (isMountPoint(path)) unmountUnlessUsed(path);
      }
    }
  }
}

/** The lab that was selected before may have been torn down meanwhile. */
function selectIfThere(name: string): void {
  try {
    if (isNetwork({ name })) openNetwork({ name });
    else openLab({ name });
  } catch (error) {
    if (error instanceof WirescriptError) return;
    throw error;
  }
  selectLab(defaultStateDirectory(), name);
}

export function step(number: number, title: string): void {
  say(`${paint("cyan", `  ${number}.`)} ${paint("bold", title)}`);
}

/** Command lines with what they are for; a line that ends with a colon is a heading. */
export function sayCommands(lines: readonly (readonly string[])[]): void {
  const width = Math.max(...lines.map(([line = ""]) => line.length));
  say();
  for (const [line = "", meaning = ""] of lines) {
    if (line.endsWith(":")) say(paint("bold", line));
    else say(`  ${line.padEnd(meaning === "" ? 0 : width)}  ${paint("dim", meaning)}`.trimEnd());
  }
}

export function shellOfUser(): string {
  return process.env.SHELL ?? "sh";
}
