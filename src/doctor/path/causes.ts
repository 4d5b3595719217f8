/** Why the routing table does not forward a packet: one finding for what `bpf_fib_lookup` answered, with what the kernel's tables say about it. */
import { FIB_RESULTS, type FibAnswer } from "../../runtime/fib-lookup.ts";
import { formatIp, type Prefix, parseIp } from "../../sys/ip-address.ts";
import { askRoute, listNeighbours, listRefusingRoutes, type RefusingRoute, type RouteAnswer } from "../../sys/netlink/index.ts";
import { forwardingOffFor } from "../checks/forwarding-off.ts";
import { ipv6DisabledAt } from "../checks/ipv6-disabled.ts";
import { linkDownAt } from "../checks/link-down.ts";
import type { Finding } from "../finding.ts";
import { inside, ip, nameOf, placeOf, word } from "../shell.ts";
import type { Device } from "../snapshot/index.ts";
import type { PacketEnds } from "./packet.ts";

/** Findings that only a packet has; each is a heading in docs/doctor.md. */
export const PACKET_FINDINGS = [
  "no-route",
  "no-neighbour",
  "route-refuses",
  "destination-local",
  "route-encapsulated",
  "lookup-fails",
] as const;

export interface Question {
  packet: PacketEnds;
  /** Where it comes in. */
  device: Device;
  answer: FibAnswer;
  /** Where it would leave; null when no route says so. */
  out: Device | null;
  /** All devices of the namespace. */
  neighbours: readonly Device[];
  length: number;
}

/** What stops the packet; none when it is forwarded. To be called in the device's network namespace. */
export function causesOf(question: Question): Finding[] {
  const { packet, device, answer } = question;
  const asker = `bpf_fib_lookup for ${packet.from} > ${packet.to}`;
  switch (FIB_RESULTS[answer.code]) {
    case "SUCCESS":
      return [];
    case "BLACKHOLE":
    case "UNREACHABLE":
    case "PROHIBIT":
      return [refused(question)];
    case "NOT_FWDED":
      return notForwarded(question, askRoute({ destination: packet.to }));
    case "FWD_DISABLED":
      if (packet.family === 6 && device.ipv6?.disabled === true) {
        return [{ id: "ipv6-disabled", ...ipv6DisabledAt(device, `packets to ${packet.to} come in there`) }];
      }
      return [{ id: "forwarding-off", ...forwardingOffFor(device, packet.family, asker) }];
    case "UNSUPP_LWT":
      return [encapsulated(question)];
    case "NO_NEIGH":
      return [noNeighbour(question)];
    case "FRAG_NEEDED":
      return [tooLarge(question)];
    default:
      return [unknown(question)];
  }
}

function told({ code, name }: FibAnswer): string {
  return code < 0 ? `bpf_fib_lookup fails with ${name}` : `bpf_fib_lookup answers BPF_FIB_LKUP_RET_${name} (${code})`;
}

function refused({ packet, device, answer }: Question): Finding {
  const route = listRefusingRoutes()
    .filter(({ family, destination }) => family === packet.family && (destination === null || contains(destination, packet.to)))
    .sort((a, b) => (b.destination?.prefixLength ?? 0) - (a.destination?.prefixLength ?? 0))[0];
  const text = route === undefined ? null : routeText(route);
  return {
    id: "route-refuses",
    place: placeOf(device),
    what: `A route says not to forward packets to ${packet.to}.`,
    evidence: `${told(answer)}; ${text === null ? "no such route was found: a rule may say it (ip rule)" : `the route is: ${text}`}.`,
    why: "A route of type blackhole, unreachable or prohibit refuses all packets that no more precise route takes. Routing programs drop such packets.",
    fix: { command: ip(device.network, text === null ? "rule show" : `${familyOption(packet)}route del ${text}`), safe: false },
  };
}

function routeText({ destination, refusal, table, family }: RefusingRoute): string {
  const prefix =
    destination === null ? (family === 6 ? "::/0" : "default") : `${destination.address}/${destination.prefixLength}`;
  return `${refusal} ${prefix}${table === 254 ? "" : ` table ${table}`}`;
}

/** No unicast route: the packet ends here, or there is no way. */
function notForwarded(question: Question, route: RouteAnswer): Finding[] {
  const { packet, device, answer, neighbours } = question;
  const type = isGroup(packet.to) ? "multicast" : "type" in route ? route.type : "unicast";
  if (type !== "unicast") {
    const isOurs = type === "local";
    const seen =
      "type" in route && route.type === type ? `RTM_GETROUTE says that the destination is ${type}` : "that is so by its number";
    return [
      {
        id: "destination-local",
        place: placeOf(device),
        what: isOurs
          ? `${packet.to} is an address of this host, so the packet ends here.`
          : `${packet.to} is a ${type} address, and such packets are not routed by a program.`,
        evidence: `${told(answer)}; ${seen}.`,
        why: "That is no failure: the program should give the packet to the network stack (XDP_PASS), which delivers it. In a counter of results it stands beside packets without a route, because both have the number 4.",
        fix: { command: ip(device.network, `address show to ${packet.to}`), safe: false },
      },
    ];
  }
  const causes = neighbours.flatMap((each) => wayBlocked(packet, each));
  return causes.length > 0 ? causes : [noRoute(question, route)];
}

/** A device that would lead to the destination if it were up, or had IPv6. */
function wayBlocked({ to, family }: PacketEnds, device: Device): Finding[] {
  const leads = [...device.addresses, ...(device.peer?.addresses ?? [])].some(
    (address) => address.family === family && contains({ address: address.address, prefixLength: address.prefixLength }, to),
  );
  if (!leads) return [];
  if (!device.link.up) return [{ id: "link-down", ...linkDownAt(device) }];
  if (family === 6 && device.ipv6?.disabled === true) {
    return [{ id: "ipv6-disabled", ...ipv6DisabledAt(device, `the way to ${to} would lead through it`) }];
  }
  return [];
}

function noRoute({ packet, device, answer, neighbours }: Question, route: RouteAnswer): Finding {
  const known = neighbours.flatMap(({ link, routes }) =>
    routes
      .filter(({ family }) => family === packet.family)
      .map(({ destination, gateway }) => {
        const prefix = destination === null ? "default" : `${destination.address}/${destination.prefixLength}`;
        return `${prefix}${gateway === null ? "" : ` via ${gateway}`} dev ${link.name}`;
      }),
  );
  const some = known.slice(0, 5).join(", ");
  return {
    id: "no-route",
    place: placeOf(device),
    what: `There is no route to ${packet.to} in the network namespace of ${nameOf(device)}.`,
    evidence: `${told(answer)}; RTM_GETROUTE: ${"refused" in route ? route.refused : route.type}. Routes there: ${known.length === 0 ? "none" : some}${known.length > 5 ? ` and ${known.length - 5} more` : ""}.`,
    why: "The kernel does not know where to send the packet: a program that asks the routing table cannot redirect it, and the stack drops it too. A connected network has its route only while its device is up.",
    fix: { command: ip(device.network, `${familyOption(packet)}route add ${packet.to} via GATEWAY`), safe: false },
  };
}

function noNeighbour({ device, answer, out }: Question): Finding {
  const { nextHop } = answer;
  const entry = listNeighbours(answer.ifindex).find(({ address }) => address === nextHop);
  const by = out === null ? `ifindex ${answer.ifindex}` : nameOf(out);
  const { network } = out ?? device;
  return {
    id: "no-neighbour",
    place: placeOf(out ?? device),
    what: `The MAC address of ${nextHop}, the next hop at ${by}, is not known.`,
    evidence: `${told(answer)}; ${entry === undefined ? "the neighbour table has no entry for it" : `its entry in the neighbour table is ${entry.state}`}.`,
    why: "A program cannot ask for MAC addresses. It should give such packets to the network stack (XDP_PASS), which asks; later ones find the answer. When nobody has that address, or the entry is failed, the packets are lost.",
    fix: { command: inside(network, `ping -c 1 ${out === null ? "" : `-I ${word(out.link.name)} `}${nextHop}`), safe: false },
  };
}

function encapsulated({ packet, device, answer, out }: Question): Finding {
  return {
    id: "route-encapsulated",
    place: placeOf(out ?? device),
    what: `The route to ${packet.to} puts packets into others (a lightweight tunnel), which a program cannot do by a lookup.`,
    evidence: `${told(answer)}.`,
    why: "bpf_fib_lookup gives an interface and MAC addresses, and this route needs a header more. The program should give such packets to the network stack (XDP_PASS).",
    fix: { command: ip(device.network, `${familyOption(packet)}route get ${packet.to}`), safe: false },
  };
}

function tooLarge({ answer, device, out, length }: Question): Finding {
  const at = out ?? device;
  return {
    id: "redirect-mtu",
    place: placeOf(at),
    what: `A packet of ${length} bytes is too large for ${nameOf(at)}, where it would leave.`,
    evidence: `${told(answer)}; the MTU of the route is ${answer.mtu}.`,
    why: "A program cannot fragment. It should give such packets to the network stack (XDP_PASS), which fragments them or tells the sender.",
    fix: { command: ip(at.network, `link set dev ${word(at.link.name)} mtu ${length}`), safe: false },
  };
}

function unknown({ device, answer }: Question): Finding {
  return {
    id: "lookup-fails",
    place: placeOf(device),
    what: `The kernel cannot answer for ${nameOf(device)}.`,
    evidence: `${told(answer)}.`,
    why: "The helper was asked something that this kernel does not know, or the device went meanwhile.",
    fix: { command: ip(device.network, "route show table all"), safe: false },
  };
}

/** Multicast: 224.0.0.0/4 (RFC 5771), ff00::/8 (RFC 4291). */
function isGroup(address: string): boolean {
  return contains(
    { address: address.includes(":") ? "ff00::" : "224.0.0.0", prefixLength: address.includes(":") ? 8 : 4 },
    address,
  );
}

function familyOption({ family }: PacketEnds): string {
  return family === 6 ? "-6 " : "";
}

function contains({ address, prefixLength }: Prefix, text: string): boolean {
  const [network, host] = [parseIp(address), parseIp(text)];
  if (network.length !== host.length) return false;
  return formatIp(masked(network, prefixLength)) === formatIp(masked(host, prefixLength));
}

function masked(bytes: Uint8Array, prefixLength: number): Uint8Array {
  return bytes.map((byte, index) => {
    const bits = Math.min(8, Math.max(0, prefixLength - index * 8));
    return byte & (0xff00 >> bits) & 0xff;
  });
}
