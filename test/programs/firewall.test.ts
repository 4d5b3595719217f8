/** The firewall, rule by rule: which one decides about a packet, and that it counts it. */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { type LoadedObject, loadSpec, PerCpuArrayMap } from "../../src/index.ts";
import type { Settings } from "../../src/runtime/data-section.ts";
import { TableMap } from "../../src/runtime/maps/table.ts";
import { noKernel } from "../kernel.ts";
import {
  arpRequest,
  ETHERTYPE,
  frame,
  icmp,
  ipv4,
  ipv6,
  join,
  PEER,
  PROTOCOL,
  pattern,
  tcp,
  u16,
  udp,
} from "../packets/index.ts";
import { sourceOf, XDP_ABORTED, XDP_DROP, XDP_PASS } from "./subject.ts";

const { IPV4, IPV6, VLAN, QINQ } = ETHERTYPE;
const { TCP, UDP, HOP_BY_HOP } = PROTOCOL;
const FRAGMENT = 44;
const [UNKNOWN, MALFORMED, NOT_IP, IS_FRAGMENT] = [0, 1, 2, 3];
const RULE = 17;

describe.skipIf(noKernel)(`firewall${noKernel === null ? "" : ` (skipped: ${noKernel})`}`, () => {
  const { spec } = compile(sourceOf("programs/firewall.bpf.ts"));
  let object: LoadedObject;

  const start = (settings: Settings = {}) => {
    object?.close();
    object = loadSpec(spec, { settings });
  };
  beforeEach(() => start());
  afterAll(() => object?.close());

  const table = (name: string) => object.map<TableMap<unknown, unknown>>(name, TableMap);

  /** The verdict, and the rules that counted the packet. */
  function judge(packet: Uint8Array): { action: number; rules: number[] } {
    const counters = object.map<PerCpuArrayMap<{ packets: bigint }>>("rule_counters", PerCpuArrayMap);
    const counted = () => new Map<number, bigint>([...counters.sums()].map(([rule, { packets }]) => [rule, packets]));
    const before = counted();
    const { action } = object.program("firewall").run(packet);
    return { action, rules: [...counted()].flatMap(([rule, packets]) => (packets === before.get(rule) ? [] : [rule])) };
  }

  const web = (fields: Parameters<typeof ipv4>[1] = {}) =>
    ipv4(tcp(pattern(8), { destinationPort: 80 }), { protocol: TCP, ...fields });
  const from = (...address: number[]) => frame(IPV4, web({ from: { ...PEER, ipv4: address } }));

  it("drops a source in a denied network, by the most specific rule, whatever else allows it", () => {
    table("deny_ipv4").set({ prefixLength: 8, address: 0x0a000000 }, 4);
    table("deny_ipv4").set({ prefixLength: 24, address: 0x0a010200 }, RULE);
    table("allow_ipv4").set({ prefixLength: 32, address: 0x0a010203 }, 5);
    expect(judge(from(10, 1, 2, 3))).toEqual({ action: XDP_DROP, rules: [RULE] });
    expect(judge(from(10, 1, 3, 3))).toEqual({ action: XDP_DROP, rules: [4] });
    expect(judge(from(11, 1, 2, 3))).toEqual({ action: XDP_PASS, rules: [UNKNOWN] });
  });

  it("lets an allowed network past the rules for protocols and ports", () => {
    table("protocols").set(TCP, { action: XDP_DROP, number: 4 });
    table("allow_ipv4").set({ prefixLength: 16, address: 0x0a0b0000 }, RULE);
    expect(judge(from(10, 11, 9, 9))).toEqual({ action: XDP_PASS, rules: [RULE] });
    expect(judge(from(10, 12, 9, 9))).toEqual({ action: XDP_DROP, rules: [4] });
  });

  it("has the same lists for IPv6", () => {
    const network = Uint8Array.from([0xfe, 0x80, ...new Array<number>(14).fill(0)]);
    table("deny_ipv6").set({ prefixLength: 64, address: network }, RULE);
    expect(judge(frame(IPV6, ipv6(pattern(20), TCP)))).toEqual({ action: XDP_DROP, rules: [RULE] });
    const other = { ...PEER, ipv6: [0xfe, 0x80, 1, ...new Array<number>(13).fill(0)] };
    expect(judge(frame(IPV6, ipv6(pattern(20), TCP, { from: other })))).toEqual({ action: XDP_PASS, rules: [UNKNOWN] });
  });

  it("asks the protocol's rule before the port's, and takes an action that is none for no rule", () => {
    table("ports").set({ port: 80, protocol: TCP, unused: 0 }, { action: XDP_DROP, number: RULE });
    expect(judge(frame(IPV4, web()))).toEqual({ action: XDP_DROP, rules: [RULE] });
    table("protocols").set(TCP, { action: XDP_PASS, number: 4 });
    expect(judge(frame(IPV4, web()))).toEqual({ action: XDP_PASS, rules: [4] });
    table("protocols").set(TCP, { action: 3, number: 4 });
    expect(judge(frame(IPV4, web()))).toEqual({ action: XDP_DROP, rules: [RULE] });
  });

  it("finds the port behind VLAN tags, IPv4 options and IPv6 extension headers; TCP's and UDP's are two", () => {
    table("ports").set({ port: 80, protocol: TCP, unused: 0 }, { action: XDP_DROP, number: RULE });
    const segment = tcp(pattern(8), { destinationPort: 80 });
    const behindOptions = join([TCP, 0], pattern(6), segment);
    for (const packet of [
      frame(IPV4, web(), [QINQ, VLAN]),
      frame(IPV4, web({ ihl: 15 })),
      frame(IPV6, ipv6(segment, TCP)),
      frame(IPV6, ipv6(behindOptions, HOP_BY_HOP), [VLAN]),
    ]) {
      expect(judge(packet)).toEqual({ action: XDP_DROP, rules: [RULE] });
    }
    const datagram = ipv4(udp(pattern(8), { destinationPort: 80 }), { protocol: UDP });
    expect(judge(frame(IPV4, datagram))).toEqual({ action: XDP_PASS, rules: [UNKNOWN] });
  });

  it("judges the first fragment by its ports, passes the others, and drops those that would overwrite TCP's flags", () => {
    table("ports").set({ port: 80, protocol: TCP, unused: 0 }, { action: XDP_DROP, number: RULE });
    expect(judge(frame(IPV4, web({ fragment: 0x2000 })))).toEqual({ action: XDP_DROP, rules: [RULE] });
    expect(judge(frame(IPV4, web({ fragment: 2 })))).toEqual({ action: XDP_PASS, rules: [IS_FRAGMENT] });
    expect(judge(frame(IPV4, web({ fragment: 1 })))).toEqual({ action: XDP_DROP, rules: [IS_FRAGMENT] });
    const later = join([TCP, 0], u16(2 << 3), [0, 0, 0, 1], tcp(pattern(8), { destinationPort: 80 }));
    expect(judge(frame(IPV6, ipv6(later, FRAGMENT)))).toEqual({ action: XDP_PASS, rules: [IS_FRAGMENT] });
  });

  it("drops what is cut off, passes what is not IP, and does with the unknown what it is told", () => {
    expect(judge(frame(IPV4, web()).subarray(0, 14 + 20 + 3))).toEqual({ action: XDP_DROP, rules: [MALFORMED] });
    expect(judge(frame(IPV4, web()).subarray(0, 30))).toEqual({ action: XDP_DROP, rules: [MALFORMED] });
    expect(judge(arpRequest())).toEqual({ action: XDP_PASS, rules: [NOT_IP] });
    start({ drop_unknown: true });
    expect(judge(frame(IPV4, ipv4(icmp())))).toEqual({ action: XDP_DROP, rules: [UNKNOWN] });
  });

  it("aborts, which user space can see, when a rule's number has no counter", () => {
    table("ports").set({ port: 80, protocol: TCP, unused: 0 }, { action: XDP_PASS, number: 4096 });
    expect(judge(frame(IPV4, web()))).toEqual({ action: XDP_ABORTED, rules: [] });
  });
});
