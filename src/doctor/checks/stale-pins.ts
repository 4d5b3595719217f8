/**
 * Pins that outlived what they were for: loaders pin a device's maps in a directory of its name, and libxdp the programs of its dispatcher; the files stay
 * when the device or its namespace goes. Also links whose device is gone.
 */
import { dirname } from "node:path";
import type { Finding } from "../finding.ts";
import { word } from "../shell.ts";
import type { Network, PinFacts } from "../snapshot/index.ts";
import type { Check } from "./check.ts";

const ID = "stale-pins";

/** Directories of tools, which are called after no device. */
const TOOLS = new Set(["tc", "ip", "xdp", "globals"]);

export const stalePins: Check = {
  id: ID,
  find: ({ pins, networks }) => {
    if (pins === null) return [];
    const byDirectory = new Map<string, PinFacts[]>();
    for (const pin of pins) byDirectory.set(dirname(pin.path), [...(byDirectory.get(dirname(pin.path)) ?? []), pin]);
    const directories = [...byDirectory].flatMap(([directory, inside]) => ofDirectory(directory, inside, networks) ?? []);
    const links = pins.filter(({ kind, idle, path }) => kind === "link" && idle && !directories.includes(dirname(path)));
    return [...directories.map((directory) => ofDevice(directory, byDirectory.get(directory) ?? [])), ...links.map(ofLink)];
  },
};

/** The directory, when all that is pinned in it is left over. */
function ofDirectory(directory: string, pins: readonly PinFacts[], networks: readonly Network[]): string | null {
  const name = directory.slice(directory.lastIndexOf("/") + 1);
  const [, ifindex, id] = /^dispatch-(\d+)-(\d+)$/.exec(name) ?? [];
  if (ifindex !== undefined) {
    const isThere = networks.some(({ links }) =>
      links.some((link) => link.ifindex === Number(ifindex) && link.xdp.some(({ programId }) => programId === Number(id))),
    );
    return isThere ? null : directory;
  }
  return isOfNoDevice(directory, networks) && pins.every(({ idle }) => idle) ? directory : null;
}

/** Loaders call directories after devices: /sys/fs/bpf/DEV, or /sys/fs/bpf/netns-NAME/DEV. BPF file systems allow no dots in names. */
function isOfNoDevice(directory: string, networks: readonly Network[]): boolean {
  const [, netns, name] = /\/bpf\/(?:netns-([^/]+)\/)?([^/]+)$/.exec(directory) ?? [];
  if (name === undefined || TOOLS.has(name)) return false;
  const isCalled = (text: string | number | null, wanted: string) => `${text}`.replaceAll(".", "_") === wanted;
  return !networks.some((network) => {
    if (netns !== undefined && !isCalled(network.name, netns) && !isCalled(network.number, netns)) return false;
    return (netns === undefined && isCalled(network.name, name)) || network.links.some((link) => isCalled(link.name, name));
  });
}

function ofDevice(directory: string, pins: readonly PinFacts[]): Finding {
  const name = directory.slice(directory.lastIndexOf("/") + 1);
  const isDispatcher = name.startsWith("dispatch-");
  return {
    id: ID,
    place: { netns: null, dev: null },
    what: isDispatcher
      ? `${directory} keeps programs of a libxdp dispatcher that is on no device any more.`
      : `${directory} keeps what belonged to a device "${name}", which is gone.`,
    evidence: `${pins.map(({ kind, id, path }) => `${kind} ${id} (${path.slice(directory.length + 1)})`).join(", ")}: ${
      isDispatcher
        ? "no device with that index runs that dispatcher."
        : `no program has them, and there is no device and no network namespace "${name}".`
    }`,
    why: "They take memory, and a program that is loaded for a new device of that name finds the old entries: counters that do not begin at 0, and redirects to devices that are gone.",
    fix: { command: `rm -r ${word(directory)}`, safe: false },
  };
}

function ofLink({ path, id }: PinFacts): Finding {
  return {
    id: ID,
    place: { netns: null, dev: null },
    what: `${path} keeps link ${id}, whose device is gone.`,
    evidence: "The kernel gives ifindex 0 for it.",
    why: "The program is attached to nothing and sees no packets, and a new device of the same name does not get it back.",
    fix: { command: `wirescript unpin ${word(path)}`, safe: false },
  };
}
