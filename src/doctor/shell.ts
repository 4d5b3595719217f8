/** Commands as the user would type them where the doctor was started: into the device's namespace first, with names quoted. */
import { packageFile } from "../package.ts";
import { NETNS_DIRECTORY } from "../sys/namespaces.ts";
import type { Place } from "./finding.ts";
import type { Device, Network, XdpOnDevice } from "./snapshot/snapshot.ts";

/** The command, run in the namespace. */
export function inside({ home, name, pid }: Network, command: string): string {
  if (home) return command;
  // What is more than one command goes through a shell of its own.
  const whole = /[&|;<>]/.test(command) ? `sh -c '${command.replaceAll("'", "'\\''")}'` : command;
  return name === null ? `nsenter --target ${pid} --net ${whole}` : `ip netns exec ${word(name)} ${whole}`;
}

/** One of our own commands for a device in the namespace: `wirescript VERB --netns NAME REST`. */
export function own({ home, name, pid }: Network, verb: string, rest: string): string {
  return home ? `wirescript ${verb} ${rest}` : `wirescript ${verb} --netns ${name === null ? pid : word(name)} ${rest}`;
}

/** `sysctl -w net.ipv4.conf.eth0.forwarding=1`; a device's name may have dots, which are no separators then. */
export function sysctl(network: Network, path: readonly string[], value: number): string {
  const separator = path.some((part) => part.includes(".")) ? "/" : ".";
  return inside(network, `sysctl -w ${word(`net${separator}${path.join(separator)}=${value}`)}`);
}

/** The text as one word of a shell's command line. */
export function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export function placeOf({ network, link }: Device): Place {
  return { netns: networkName(network), dev: link.name };
}

export function networkName({ home, name, pid }: Network): string | null {
  return home ? null : (name ?? `process ${pid}`);
}

/** "eth0", or "veth0 (in blue)" where that is another namespace. */
export function nameOf({ network, link }: Pick<Device, "network" | "link">): string {
  const netns = networkName(network);
  return netns === null ? link.name : `${link.name} (in ${netns})`;
}

/** `ip ARGUMENTS` in the namespace. Pins are not seen by it: `ip -n`, as `ip netns exec`, has a /sys of its own there. */
export function ip({ home, name, pid }: Network, rest: string): string {
  if (home) return `ip ${rest}`;
  return name === null ? `nsenter --target ${pid} --net ip ${rest}` : `ip -n ${word(name)} ${rest}`;
}

/** As `ip`, of `tc`. */
export function tc({ home, name, pid }: Network, rest: string): string {
  if (home) return `tc ${rest}`;
  return name === null ? `nsenter --target ${pid} --net tc ${rest}` : `tc -n ${word(name)} ${rest}`;
}

/** The command in the namespace, with the mounts of outside: for what is pinned in /sys/fs/bpf. */
export function insideWithPins({ home, name, pid }: Network, command: string): string {
  if (home) return command;
  return name === null
    ? `nsenter --target ${pid} --net ${command}`
    : `nsenter --net=${word(`${NETNS_DIRECTORY}/${name}`)} ${command}`;
}

/** A program of this package that passes all packets: it makes a device ready for what XDP sends to it. */
export const PASS_PROGRAM = packageFile("src/programs/pass.bpf.ts");

/** Takes the device's XDP program off and attaches it again in the other mode. A pin keeps it alive in between. */
export function reattach({ network, link }: Device, { program, linkId }: XdpOnDevice, mode: "native" | "skb"): string {
  const pin = `/sys/fs/bpf/doctor-${program.id}`;
  const set = (rest: string): string => insideWithPins(network, `ip link set dev ${word(link.name)} ${rest}`);
  const off = set(mode === "native" ? "xdpgeneric off" : "xdpdrv off");
  return [
    `bpftool prog pin id ${program.id} ${pin}`,
    linkId === null ? off : `bpftool link detach id ${linkId}`,
    set(`${mode === "native" ? "xdpdrv" : "xdpgeneric"} pinned ${pin}`),
    `rm ${pin}`,
  ].join(" && ");
}
