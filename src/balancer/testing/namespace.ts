/** A network namespace for a test file: its process moves into it, so that whatever it does to the network is in nobody's way. */
import { closeSync } from "node:fs";
import { createNamespace, deleteNamespace, enterNamespace, openNamespace } from "../../sys/namespaces.ts";
import { addAddress, addVethPair, getLink, setLinkUp } from "../../sys/netlink/index.ts";

/** For good: the process stays in it. Returns what takes its name away, after which it ends with the process. */
export function moveIntoNamespace(purpose: string): () => void {
  const name = `ws-${purpose}-${process.pid}`;
  createNamespace(name);
  const fd = openNamespace(name);
  try {
    enterNamespace(fd);
  } finally {
    closeSync(fd);
  }
  setLinkUp(getLink("lo").ifindex, true);
  return () => void deleteNamespace(name);
}

/** A pair of devices that are up; the first has these addresses, the second is `${name}p`. Returns their numbers. */
export function addPair(name: string, addresses: readonly string[] = []): [number, number] {
  addVethPair({ name, peerName: `${name}p` });
  const [inner, outer] = [getLink(name).ifindex, getLink(`${name}p`).ifindex];
  for (const ifindex of [inner, outer]) setLinkUp(ifindex, true);
  for (const each of addresses) {
    const [address = "", length] = each.split("/");
    addAddress({ ifindex: inner, address, prefixLength: Number(length) });
  }
  return [inner, outer];
}
