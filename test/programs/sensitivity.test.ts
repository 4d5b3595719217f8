/**
 * The tests of the echo server, tested: programs that are nearly right must be found out by the very functions that find nothing wrong
 * with ours in `echo.test.ts`. Each mistake is an edit of our sources, compiled, loaded and run like the original.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { noKernel } from "../kernel.ts";
import { type Case, firstWrong, miscounted } from "./cases.ts";
import * as cases from "./echo-cases.ts";
import { Subject, sourceOf, specOf } from "./subject.ts";

const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;

/** A file below `src`, and what is done to its text. */
type Edit = [file: `${string}.ts`, edit: (text: string) => string];

/** Puts `mistake` where `original` stands, which has to be one place. */
function replace(original: string | RegExp, mistake: string): (text: string) => string {
  return (text) => {
    const parts = text.split(original);
    if (parts.length !== 2) throw new Error(`"${original}" is ${parts.length - 1} times in this file`);
    return parts.join(mistake);
  };
}

/** echo with a mistake. */
function mistaken([file, edit]: Edit): Subject {
  const path = sourceOf(file);
  const text = edit(readFileSync(path, "utf8"));
  return new Subject("echo", specOf("echo", { overlay: new Map([[path, text]]) }));
}

const inEcho = (original: string, mistake: string): Edit => ["programs/echo.bpf.ts", replace(original, mistake)];
const inEthernet = (original: string, mistake: string): Edit => ["net/ethernet.ts", replace(original, mistake)];
const inStatistics = (original: string, mistake: string): Edit => ["programs/stats.bpf.ts", replace(original, mistake)];
/** Another body for `replaceInChecksum`. */
const inChecksum = (body: string): Edit => [
  "net/checksum.ts",
  replace(/(?<=function replaceInChecksum\([^)]*\): u16 )\{.*?\n\}/s, `{ ${body} }`),
];

const RFC_1141 = inChecksum(`
  const sum = checksum + from;
  const other = (sum & 0xffff) + (sum >> 16) + (~to & 0xffff);
  return u16((other & 0xffff) + (other >> 16));`);

const MISTAKES: [what: string, edit: Edit, foundBy: () => Iterable<Case>][] = [
  [
    "adds checksums without the carry",
    inChecksum("return u16(~((~checksum & 0xffff) + (~from & 0xffff) + to));"),
    () => cases.everyChecksum(4),
  ],
  [
    "folds the carry once where two are possible, wrong for one checksum in 65,536",
    inChecksum("const sum = (~checksum & 0xffff) + (~from & 0xffff) + to; return u16(~((sum & 0xffff) + (sum >> 16)));"),
    () => cases.everyChecksum(6),
  ],
  ["gives the other zero as RFC 1141 did, wrong for one checksum in 65,536", RFC_1141, () => cases.everyChecksum(4)],
  ["gives the other zero in ICMPv6", RFC_1141, () => cases.exampleChecksums(6)],
  ["leaves the checksum", inEcho("icmp.checksum = replaceInChecksum", "replaceInChecksum"), () => cases.exampleChecksums(4)],
  ["leaves the type", inEcho("icmp.type = to;", ""), () => cases.messageTypes()],
  ["does not swap MAC addresses", inEcho("eth.src = eth.dst;\n  eth.dst = source;", ""), () => cases.vlanStacks()],
  ["copies one MAC address over the other", inEcho("eth.dst = source;", ""), () => cases.vlanStacks()],
  [
    "does not swap IPv6 addresses",
    inEcho("ip.src = ip.dst;\n  ip.dst = source;\n  return reply(ctx, icmp, Icmpv6Type", "return reply(ctx, icmp, Icmpv6Type"),
    () => cases.vlanStacks(),
  ],
  ["skips one VLAN tag", inEthernet("VLAN_MAX_DEPTH = 2", "VLAN_MAX_DEPTH = 1"), () => cases.vlanStacks()],
  ["skips three VLAN tags", inEthernet("VLAN_MAX_DEPTH = 2", "VLAN_MAX_DEPTH = 3"), () => cases.vlanStacks()],
  ["knows 802.1Q only", inEthernet(" && type !== EtherType.QINQ", ""), () => cases.vlanStacks()],
  ["takes any IPv4 header length", inEcho("ip.ihl < 5 || ", ""), () => cases.impossibleHeaderLengths()],
  ["overlooks IPv4 options", inEcho("offset + ip.ihl * 4", "offset + 20"), () => cases.optionLengths()],
  ["answers every ICMP message", inEcho("!icmp || icmp.type !== IcmpType.ECHO_REQUEST", "!icmp"), () => cases.messageTypes()],
  ["answers whatever is in IPv6", inEcho("!ip || ip.nextHeader !== IpProtocol.ICMPV6", "!ip"), () => cases.protocols()],
  [
    "takes every other EtherType for IPv4's",
    inEcho("payload.type === EtherType.IPv4", "payload.type !== EtherType.IPv6"),
    () => cases.etherTypes(4),
  ],
  [
    "takes every other EtherType for IPv6's",
    inEcho("if (payload.type === EtherType.IPv6) return", "return"),
    () => cases.etherTypes(6),
  ],
  [
    "wants a whole echo header where four bytes do",
    inEcho(
      "const icmp = ctx.at(Icmp, offset + ip.ihl * 4);",
      "const icmp = ctx.at(Icmp, offset + ip.ihl * 4);\n  if (!ctx.at(Icmp, offset + ip.ihl * 4 + 4)) return XDP_PASS;",
    ),
    () => cases.truncations([]),
  ],
];

const MISCOUNTS: [what: string, edit: Edit][] = [
  ["does not count the Ethernet header", inStatistics("ctx.length", "ctx.length - 14")],
  ["counts packets twice", inStatistics("record.rx_packets++", "record.rx_packets += 2")],
  ["counts everything as passed", inStatistics("xdp_stats_map.lookup(action)", "xdp_stats_map.lookup(2)")],
];

describe.skipIf(noKernel !== null)(`what is nearly right is found out${reason}`, () => {
  it.each(MISTAKES)("an echo that %s", (_, edit, foundBy) => {
    using wrong = mistaken(edit);
    expect(firstWrong((packet) => wrong.run(packet), foundBy())).not.toBeNull();
  });

  it.each(MISCOUNTS)("an echo that %s", (_, edit) => {
    using wrong = mistaken(edit);
    expect(miscounted(wrong, cases.vlanStacks())).not.toBeNull();
  });
});
