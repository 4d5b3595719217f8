/** User space of the lesson about redirection: what the pinned maps of its programs are filled with. */
import { join } from "node:path";
import { WirescriptError } from "../errors.ts";
import { type BpfMap, DevMap, HashMap, openPinnedMap } from "../index.ts";
import { parseMac } from "../sys/mac.ts";
import { listLinks } from "../sys/netlink/index.ts";

export interface Redirection {
  /** The device to leave by. */
  ifindex: number;
  /** MAC addresses: whose frames, and who gets them. */
  source: string;
  destination: string;
}

/**
 * Tells redirect-map.bpf.ts, whose maps are pinned in `directory`, where the frames of one sender go; those of others stay as they are.
 *
 * @throws WirescriptError MAP when the maps are missing, are others, or are full; USAGE for MAC addresses that are none.
 */
export function redirectFrames(directory: string, { ifindex, source, destination }: Redirection): void {
  const [from, to] = [parseMac(source), parseMac(destination)];
  using ports = openPinned(join(directory, "tx_port"), DevMap<number>);
  using params = openPinned(join(directory, "redirect_params"), HashMap<Uint8Array, Uint8Array>);
  ports.set(0, ifindex);
  params.set(from, to);
}

/**
 * Puts every device of this network namespace into the map of router-devmap.bpf.ts, under its own ifindex. Returns how many there are.
 *
 * @throws WirescriptError MAP when the map is missing, is another, or is full.
 */
export function fillRouterPorts(directory: string): number {
  using ports = openPinned(join(directory, "router_port"), DevMap<number>);
  // Nothing leaves by the loopback device.
  const devices = listLinks().filter(({ name }) => name !== "lo");
  for (const { ifindex } of devices) ports.set(ifindex, ifindex);
  return devices.length;
}

function openPinned<T extends BpfMap>(path: string, type: abstract new (...args: never[]) => T): T {
  const map: BpfMap = openPinnedMap(path);
  if (map instanceof type) return map;
  const found = map.info().typeName;
  map.close();
  throw new WirescriptError({
    code: "MAP",
    what: `The map at ${path} is not the one that the lesson's program has.`,
    why: `It is a ${found}.`,
    fix: "Load the lesson's program on the device, and try again.",
  });
}
