/**
 * The datapath's program on its devices: by links that are pinned beside the maps, so that they stay when the service ends, however it ends, and
 * the next one takes them over.
 */

import { unlinkSync } from "node:fs";
import { join } from "node:path";
import { WirescriptError } from "../../errors.ts";
import { openPinnedLink } from "../../runtime/links/adopt.ts";
import type { BpfLink } from "../../runtime/links/bpf-link.ts";
import { XdpLink } from "../../runtime/links/xdp-link.ts";
import { listPins } from "../../runtime/pins.ts";
import type { LoadedProgram } from "../../runtime/program.ts";
import { getDriver } from "../../sys/ethtool.ts";
import { findLink } from "../../sys/netlink/index.ts";
import type { DeviceStatus } from "../contract.ts";
import type { Device } from "../state.ts";

/** What became of a device that the state names. */
export type Attachment =
  | { device: string; attached: true; status: DeviceStatus; changed: boolean }
  | { device: string; attached: false; reason: string; error?: unknown };

const PIN = /^link_(\d+)$/;

export class Attachments {
  readonly #directory: string;
  /** By ifindex. */
  readonly #links = new Map<number, XdpLink>();
  /** By ifindex, the mode that was asked for last; those that were taken over were asked for what they have. */
  readonly #asked = new Map<number, Device["mode"]>();

  /** `directory` is that of the pins. Links of devices that are gone are taken out. */
  constructor(directory: string) {
    this.#directory = directory;
    for (const { path, kind } of listPins(directory)) {
      const [, ifindex] = PIN.exec(path.slice(directory.length + 1)) ?? [];
      if (kind !== "link" || ifindex === undefined) continue;
      const link = adopted(path);
      if (link === null) unlinkSync(path);
      else this.#links.set(Number(ifindex), link);
    }
  }

  /** Devices that have the program, by the number of their device. */
  get ifindexes(): number[] {
    return [...this.#links.keys()];
  }

  /** Puts another program on all links: each packet meets the old one or the new one. */
  exchange(program: LoadedProgram): void {
    for (const [ifindex, link] of [...this.#links]) {
      if (link.info().ifindex === 0) this.#drop(ifindex);
      else link.update(program, { force: true });
    }
  }

  /** Attaches to these devices, and to no others. What cannot be done for one device is told, and the others get theirs. */
  set(program: LoadedProgram, devices: readonly Device[]): Attachment[] {
    const wanted = devices.map((device) => ({ device, link: findLink(device.name) }));
    const kept = new Set(wanted.map(({ link }) => link?.ifindex));
    for (const ifindex of this.ifindexes) if (!kept.has(ifindex)) this.#drop(ifindex);
    for (const ifindex of this.#asked.keys()) if (!kept.has(ifindex)) this.#asked.delete(ifindex);
    return wanted.map(({ device, link }) => {
      if (link === null) return { device: device.name, attached: false, reason: `There is no device ${device.name}.` };
      try {
        const changed = this.#attach(program, device, link.ifindex);
        const held = this.#links.get(link.ifindex) as XdpLink; // attached right now
        return { device: device.name, attached: true, changed, status: statusOf(device.name, held) };
      } catch (error) {
        if (!(error instanceof WirescriptError)) throw error;
        const reason = error.why === undefined ? error.message : `${error.message} ${error.why}`;
        return { device: device.name, attached: false, reason, error };
      }
    });
  }

  /** False when it was so already. */
  #attach(program: LoadedProgram, { mode }: Device, ifindex: number): boolean {
    const wanted = mode === "generic" ? "skb" : mode;
    const there = this.#links.get(ifindex);
    const before = this.#asked.get(ifindex) ?? mode;
    this.#asked.set(ifindex, mode);
    if (there !== undefined) {
      const isThere = there.info().ifindex !== 0;
      // What "auto" has come to stays: to try native mode anew takes the program away for a moment.
      const suits = wanted === "auto" ? mode === before || there.mode === "native" : wanted === there.mode;
      if (isThere && suits) return false;
      // The mode of a link is for good, and a device has no program in both.
      this.#drop(ifindex);
    }
    const path = join(this.#directory, `link_${ifindex}`);
    const link = program.attach({ dev: ifindex, mode: wanted }) as XdpLink; // a program for XDP
    try {
      link.pin(path);
    } catch (error) {
      link.detach();
      throw error;
    }
    // That one belongs to the program's object, which may be closed for another one's sake.
    link.fd.close();
    this.#links.set(ifindex, openPinnedLink(path) as XdpLink); // the one that was pinned
    return true;
  }

  #drop(ifindex: number): void {
    const link = this.#links.get(ifindex);
    this.#links.delete(ifindex);
    detach(link, join(this.#directory, `link_${ifindex}`));
  }

  /** Lets go of the links, which stay; with `detach`, takes the program off all devices. */
  close({ detach = false }: { detach?: boolean } = {}): void {
    for (const [ifindex, link] of [...this.#links]) {
      if (detach) this.#drop(ifindex);
      else link.fd.close();
    }
    this.#links.clear();
  }
}

/** Null when its device is gone. */
function adopted(path: string): XdpLink | null {
  try {
    const link: BpfLink = openPinnedLink(path);
    return link instanceof XdpLink ? link : null;
  } catch (error) {
    if (error instanceof WirescriptError && (error.code === "NOTHING_ATTACHED" || error.code === "NO_SUCH_DEVICE")) return null;
    throw error;
  }
}

function detach(link: XdpLink | undefined, path: string): void {
  link?.detach();
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function statusOf(name: string, link: XdpLink): DeviceStatus {
  const { ifindex, programId } = link.info();
  return {
    name,
    ifindex: ifindex ?? 0,
    mode: link.mode === "skb" ? "generic" : "native",
    driver: getDriver(name) ?? "",
    program: programId,
  };
}
