/** User space of the lesson about redirection: what the pinned maps of its programs are filled with. */
import { join } from "node:path";
import { WirescriptError } from "../errors.ts";
import { HashMap, openPinnedMap } from "../index.ts";
import { mapUpdate } from "../sys/bpf.ts";
import { errnoName } from "../sys/errno.ts";
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
  using ports = openTable(join(directory, "tx_port"), 4);
  using params = openTable(join(directory, "redirect_params"), 6);
  put(ports, word(0), word(ifindex));
  put(params, from, to);
}

/**
 * Puts every device of this network namespace into the map of router-devmap.bpf.ts, under its own ifindex. Returns how many there are.
 *
 * @throws WirescriptError MAP when the map is missing, is another, or is full.
 */
export function fillRouterPorts(directory: string): number {
  using ports = openTable(join(directory, "router_port"), 4);
  // Nothing leaves by the loopback device.
  const devices = listLinks().filter(({ name }) => name !== "lo");
  for (const { ifindex } of devices) put(ports, word(ifindex), word(ifindex));
  return devices.length;
}

/** As bytes, since the kernel keeps no types of maps of devices. */
function put(map: HashMap, key: Uint8Array, value: Uint8Array): void {
  const result = mapUpdate(map.fd, key, value, 0);
  if (result === 0) return;
  const isFull = errnoName(-result) === "E2BIG";
  throw new WirescriptError({
    code: "MAP",
    what: `The map "${map.name}" did not take another entry.`,
    why: isFull ? `It is full: it has room for ${map.maxEntries}.` : `The kernel refused: ${errnoName(-result)}.`,
    fix: isFull
      ? "Remove entries that nobody needs, or give the map more room in its module."
      : "Check that the device still exists.",
  });
}

/** In host byte order. */
function word(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function openTable(path: string, keySize: number): HashMap {
  const map = openPinnedMap(path);
  if (map instanceof HashMap && map.keySize === keySize) return map;
  const found = map.info().typeName;
  map.close();
  throw new WirescriptError({
    code: "MAP",
    what: `The map at ${path} is not the one that the lesson's program has.`,
    why: `It is a ${found} with keys of ${map.keySize} bytes.`,
    fix: "Load the lesson's program on the device, and try again.",
  });
}
