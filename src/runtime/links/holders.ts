/**
 * Who holds a bpf_link: processes with a descriptor of it, and pins. The kernel does not tell this of a link, but of every descriptor whose
 * link it is (/proc/PID/fdinfo), so all processes are asked; with some thousands of them that takes a fraction of a second.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { listPins } from "../pins.ts";

export interface LinkHolders {
  processes: { pid: number; command: string }[];
  /** Paths in a bpffs. */
  pins: string[];
}

/** Whoever keeps a link alive, by the link's id. Processes that this one may not look at are left out, as are those in other pid namespaces. */
export function holdersOfLinks(): Map<number, LinkHolders> {
  const holders = new Map<number, LinkHolders>();
  const of = (id: number): LinkHolders => {
    const known = holders.get(id) ?? { processes: [], pins: [] };
    holders.set(id, known);
    return known;
  };
  for (const pid of processes()) {
    for (const id of new Set(linksOf(pid))) of(id).processes.push({ pid, command: commandOf(pid) });
  }
  for (const { kind, id, path } of listPins()) if (kind === "link") of(id).pins.push(path);
  return holders;
}

export function holdersOfLink(linkId: number): LinkHolders {
  return holdersOfLinks().get(linkId) ?? { processes: [], pins: [] };
}

/** `held by process 42 (node) and the pin /sys/fs/bpf/x` */
export function describeHolders({ processes, pins }: LinkHolders): string {
  const holders = [
    ...processes.map(({ pid, command }) => `process ${pid} (${command.replaceAll(/\p{Cc}/gu, "·")})`),
    ...pins.map((path) => `the pin ${path}`),
  ];
  return holders.length === 0 ? "held by a process that cannot be seen from here" : `held by ${holders.join(" and ")}`;
}

function processes(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The ids of the links that a process has descriptors of. */
function linksOf(pid: number): number[] {
  return list(`/proc/${pid}/fd`).flatMap((fd) => {
    if (!/bpf.link/.test(gentle(() => readlinkSync(`/proc/${pid}/fd/${fd}`)))) return [];
    const id = /^link_id:\s*(\d+)/m.exec(gentle(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8")))?.[1];
    return id === undefined ? [] : [Number(id)];
  });
}

function commandOf(pid: number): string {
  return gentle(() => readFileSync(`/proc/${pid}/comm`, "utf8")).trim();
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Processes end while they are looked at, and some may not be looked at: then there is nothing to say of them. */
function gentle(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
