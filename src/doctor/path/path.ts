/**
 * Where one packet goes: what the kernel answers a program that asks the routing table for it, in the network namespace of the device that it comes in by,
 * and what stops it. `bpf_fib_lookup` gives the answer, and the kernel's tables tell apart what it gives one number.
 */
import { WirescriptError } from "../../errors.ts";
import { fibLookup } from "../../runtime/fib-lookup.ts";
import { askRoute } from "../../sys/netlink/index.ts";
import { programsOn } from "../checks/check.ts";
import { reversePathFilterAt } from "../checks/reverse-path-filter.ts";
import { CHECKS } from "../checks/table.ts";
import type { Finding, Place } from "../finding.ts";
import { nameOf, placeOf } from "../shell.ts";
import { type Device, lookAround, type Network, type Snapshot } from "../snapshot/index.ts";
import { causesOf } from "./causes.ts";
import { type PacketEnds, parsePacket } from "./packet.ts";

export interface PathOptions {
  /** "10.11.1.2 > 10.11.2.2" */
  packet: string;
  /** Default: the device by which the sender is reached. */
  inBy?: string;
  /** Of the packet from the IP header on, in bytes. Default: whether it fits is not asked. */
  length?: number;
  netns?: string | number;
}

export interface Path {
  from: string;
  to: string;
  /** Where it comes in. */
  in: Place;
  /** Of `bpf_fib_lookup`. `name` is what stands behind BPF_FIB_LKUP_RET_ in linux/bpf.h, or an errno's name. */
  result: { code: number; name: string };
  /** Where it leaves; null when no route says so. */
  out: { place: Place; ifindex: number; nextHop: string; macs: { from: string; to: string } | null; mtu: number | null } | null;
  /** Programs on the device that ask the routing table. */
  askers: { id: number; name: string }[];
}

export interface PathDiagnosis {
  /** The device that it comes in by: "eth0", "veth0 (in blue)". */
  devices: string[];
  packet: Path;
  findings: Finding[];
}

/** @throws WirescriptError USAGE for a packet that is none, NO_SUCH_DEVICE, NO_SUCH_NAMESPACE, NO_PRIVILEGES. */
export function diagnosePacket({ packet: text, inBy, length = 0, netns }: PathOptions): PathDiagnosis {
  const packet = parsePacket(text);
  return lookAround(netns, ({ network, devices, run, subjectOf, snapshotOf }) => {
    const device = inBy === undefined ? run(network, () => senderSide(packet, network, devices)) : devices.named(inBy);
    const neighbours = devices.all();
    const ask = (bytes: number) =>
      run(network, () =>
        fibLookup({ source: packet.from, destination: packet.to, ifindex: device.link.ifindex, length: bytes }),
      );
    const asked = ask(length);
    // Of a packet that is too long the kernel tells the MTU and nothing else.
    const answer = asked.name === "FRAG_NEEDED" ? { ...ask(0), code: asked.code, name: asked.name, mtu: asked.mtu } : asked;
    const isRouted = ["SUCCESS", "NO_NEIGH", "FRAG_NEEDED"].includes(answer.name);
    const out = isRouted ? (neighbours.find(({ link }) => link.ifindex === answer.ifindex) ?? null) : null;
    const causes = run(network, () => causesOf({ packet, device, answer, out, neighbours, length }));
    const filtered = run(network, () => filteredByStack(packet, device, answer.name));
    const onTheWay = [device, ...(out === null ? [] : [out])].flatMap((each) =>
      each.peer === null ? [each] : [each, each.peer],
    );
    const around = findingsAt(onTheWay, snapshotOf([subjectOf(device)]));
    const known = new Set(causes.map(({ id, place }) => JSON.stringify([id, place])));
    return {
      devices: [nameOf(device)],
      packet: {
        from: packet.from,
        to: packet.to,
        in: placeOf(device),
        result: { code: answer.code, name: answer.name },
        out:
          out === null
            ? null
            : {
                place: placeOf(out),
                ifindex: answer.ifindex,
                nextHop: answer.nextHop,
                macs: answer.name === "SUCCESS" ? answer.macs : null,
                mtu: answer.mtu === 0 ? null : answer.mtu,
              },
        askers: programsOn(device)
          .filter(({ routes }) => routes)
          .map(({ id, name }) => ({ id, name })),
      },
      findings: [...causes, ...filtered, ...around.filter(({ id, place }) => !known.has(JSON.stringify([id, place])))],
    };
  });
}

/** The device by which the sender would be answered. */
function senderSide({ from, to }: PacketEnds, network: Network, devices: { all(): Device[] }): Device {
  const answer = askRoute({ destination: from });
  const found = "type" in answer && answer.type === "unicast" ? answer.ifindex : null;
  const device = devices.all().find(({ link }) => link.ifindex === found);
  if (device !== undefined) return device;
  const names = network.links.filter(({ name }) => name !== "lo").map(({ name }) => name);
  throw new WirescriptError({
    code: "USAGE",
    what: `It is not known by which device a packet of ${from} would come in.`,
    why: "type" in answer ? `${from} is an address of this host, or of a group.` : "There is no route to the sender here.",
    fix: `Name the device: --packet "${from} > ${to}" --in ${names[0] ?? "DEV"}. Devices here: ${names.join(", ") || "none"}; --netns looks in another network namespace.`,
  });
}

/** What the stack does with packets that the program cannot forward: it also checks where they come from (IPv4). */
function filteredByStack({ from, to, family }: PacketEnds, device: Device, result: string): Finding[] {
  if (family === 6 || result === "SUCCESS" || device.link.name === "lo") return [];
  if ((device.ipv4?.rpFilter ?? 0) === 0) return [];
  const answer = askRoute({ destination: to, source: from, inBy: device.link.ifindex });
  // EXDEV says it; newer kernels (6.18) give EINVAL for all senders that they do not take.
  if (!("refused" in answer) || (answer.refused !== "EXDEV" && answer.refused !== "EINVAL")) return [];
  const back = askRoute({ destination: from });
  const isElsewhere = "refused" in back || (back.type === "unicast" && back.ifindex !== device.link.ifindex);
  if (!isElsewhere) return [];
  const seen = `RTM_GETROUTE for ${from} > ${to} answers ${answer.refused}`;
  return [{ id: "reverse-path-filter", ...reversePathFilterAt(device, seen) }];
}

/** What is wrong at the devices that the packet meets. That the device has no program is no fault here: the question is for the routing table. */
function findingsAt(devices: readonly Device[], snapshot: Snapshot): Finding[] {
  const places = new Set(devices.map((device) => JSON.stringify(placeOf(device))));
  return CHECKS.flatMap((check) => check.find(snapshot)).filter(({ place }) => places.has(JSON.stringify(place)));
}
