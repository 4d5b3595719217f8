/**
 * Who holds a bpf_link: processes with a descriptor of it, and pins. The kernel does not tell this of a link, but of every descriptor whose
 * link it is (/proc/PID/fdinfo), so all processes are asked; with some thousands of them that takes a fraction of a second.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { processesThat, type RunningProcess } from "../../sys/processes.ts";
import { listPins } from "../pins.ts";
import { wayOffChain } from "./chain-directory.ts";

export interface LinkHolders {
  processes: RunningProcess[];
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
  const links = new Map<number, ReadonlySet<number>>();
  const found = processesThat((pid) => {
    const ids = new Set(linksOf(pid));
    links.set(pid, ids);
    return ids.size > 0;
  });
  for (const process of found) for (const id of links.get(process.pid) ?? []) of(id).processes.push(process);
  for (const { kind, id, path } of listPins()) if (kind === "link") of(id).pins.push(path);
  return holders;
}

export function holdersOfLink(linkId: number): LinkHolders {
  return holdersOfLinks().get(linkId) ?? { processes: [], pins: [] };
}

/** `held by process 42 (node) and the pin /sys/fs/bpf/x` */
export function describeHolders({ processes, pins }: LinkHolders): string {
  const holders = [
    ...processes.map(({ pid, command }) => `process ${pid} (${command})`),
    ...pins.map((path) => `the pin ${path}`),
  ];
  return holders.length === 0 ? "held by a process that cannot be seen from here" : `held by ${holders.join(" and ")}`;
}

/** How the program of a link on `dev` is had off by whoever holds it: "End that process, remove the pin (wirescript unpin /sys/fs/bpf/x)". */
export function describeLettingGo({ processes, pins }: LinkHolders, dev: string): string {
  const isOwn = ({ pid }: RunningProcess) => pid === process.pid;
  const [pin] = pins;
  const chain = pins.map((path) => wayOffChain(path, dev)).find((way) => way !== null) ?? null;
  const ways: string[] = [];
  if (chain !== null) ways.push(`take the chain off: ${chain}`);
  if (processes.some(isOwn))
    ways.push(
      "use the link that this process has: link.update(program) puts another program there, link.detach() takes it off",
    );
  if (processes.some((each) => !isOwn(each)) || (processes.length === 0 && pins.length === 0)) ways.push("end that process");
  if (chain === null && pin !== undefined) ways.push(`remove the pin (wirescript unpin ${pin})`);
  const text = ways.join(", ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The ids of the links that a process has descriptors of. */
function linksOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    if (!/bpf.link/.test(gentle(() => readlinkSync(`/proc/${pid}/fd/${fd}`)))) return [];
    const id = /^link_id:\s*(\d+)/m.exec(gentle(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8")))?.[1];
    return id === undefined ? [] : [Number(id)];
  });
}

/** Descriptors are closed while they are looked at: then there is nothing to say of them. */
function gentle(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
