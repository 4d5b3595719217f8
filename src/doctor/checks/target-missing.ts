/** The program was told to redirect to an ifindex that no device of its namespace has; ifindexes of other namespaces are easily taken for ours. */
import { MAP_TYPE } from "../../object/spec.ts";
import { nameOf, networkName, own, placeOf, word } from "../shell.ts";
import type { Device, Snapshot, Target } from "../snapshot/index.ts";
import { perSubject } from "./check.ts";

export const targetMissing = perSubject("target-missing", ({ device, targets }, snapshot) =>
  targets
    .filter(
      (target) => target.device === null && target.map?.type !== MAP_TYPE.DEVMAP && target.map?.type !== MAP_TYPE.DEVMAP_HASH,
    )
    .map((target) => ({
      place: placeOf(device),
      what: `The program on ${nameOf(device)} redirects to ifindex ${target.ifindex}, and no device in its network namespace has that index.`,
      evidence: `${target.source} has ifindex ${target.ifindex}. ${elsewhere(snapshot, device, target.ifindex)}`,
      why: "bpf_redirect looks for the index in the namespace of the device on which the packet came in; when there is none, the packet is dropped (EINVAL). An index changes when its device is made anew, and each namespace counts for itself.",
      fix: fixFor(device, target),
    })),
);

function elsewhere({ networks }: Snapshot, device: Device, ifindex: number): string {
  const found = networks
    .filter((network) => network !== device.network)
    .flatMap((network) =>
      network.links
        .filter((link) => link.ifindex === ifindex && link.name !== "lo")
        .map((link) => `${link.name} (in ${networkName(network) ?? "your namespace"})`),
    );
  const here = device.network.links
    .filter(({ name }) => name !== "lo")
    .map(({ name, ifindex: index }) => `${name} is ${index}`);
  return `Here: ${here.join(", ")}.${found.length === 0 ? "" : ` Elsewhere it is ${found.slice(0, 3).join(", ")}.`}`;
}

function fixFor(device: Device, { map }: Target): { command: string; safe: boolean } {
  const other = device.network.links.find(({ ifindex, name }) => ifindex !== device.link.ifindex && name !== "lo");
  // The section of settings cannot be written any more: the program has to be loaded anew.
  if (map === null || map.name.includes(".rodata")) {
    return {
      command: own(
        device.network,
        "load",
        `--force ${word(device.link.name)} FILE --set ifindex=${other?.ifindex ?? "IFINDEX"}`,
      ),
      safe: false,
    };
  }
  return { command: `wirescript maps dump ${map.id}`, safe: false };
}
