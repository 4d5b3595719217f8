/** The packet that the doctor is asked about: "10.11.1.2 > 10.11.2.2", as tcpdump writes it. */
import { WirescriptError } from "../../errors.ts";
import { formatIp, parseIp } from "../../sys/ip-address.ts";

export interface PacketEnds {
  from: string;
  to: string;
  family: 4 | 6;
}

/** @throws WirescriptError USAGE when it is not two addresses of one family with ">" between them. */
export function parsePacket(text: string): PacketEnds {
  const [first = "", second, ...more] = text.split(">").map((part) => part.trim());
  if (second === undefined || more.length > 0) throw unclear(text, 'It is a sender and a receiver with ">" between them.');
  const [from, to] = [parseIp(first), parseIp(second)];
  if (from.length !== to.length) throw unclear(text, "One address is of IPv4 and the other one of IPv6.");
  return { from: formatIp(from), to: formatIp(to), family: from.length === 4 ? 4 : 6 };
}

function unclear(text: string, why: string): WirescriptError {
  return new WirescriptError({
    code: "USAGE",
    what: `"${text}" is no packet.`,
    why,
    fix: 'For example: --packet "10.11.1.2 > 10.11.2.2". The quotes keep the shell from writing to a file.',
  });
}
