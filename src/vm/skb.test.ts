/** The interpreter's socket buffer against the kernel's: what helpers do to the packet, its fields, its checksums and its tags. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { noKernel } from "../../test/kernel.ts";
import { ETHERTYPE, frame, hex, ipv4, ipv6, PROTOCOL, pattern, udp } from "../../test/packets/index.ts";
import { compile } from "../compiler/compile.ts";
import { loadSpec } from "../index.ts";
import { Vm, VmFault } from "./index.ts";
import { AddressSpace } from "./memory.ts";
import { SKB, Skb } from "./skb.ts";

const reason = noKernel === null ? "" : ` (skipped: ${noKernel})`;
const FILE = resolve("test/example.bpf.ts");

const PRELUDE = `import {
  be16, be32, bytes, csumDiff, struct, tc, TC_ACT_OK, TC_ACT_PIPE, TC_ACT_SHOT, TC_ACT_UNSPEC, u16, u32, u64, u8,
} from "wirescript/kernel";
import { Ethernet, EtherType, ethernetPayload, IPv4, mac, Udp } from "wirescript/net";
/** So that a test sees them: the context's fields, over the start of the packet. */
const Seen = struct({ a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u64 });
`;

const show = `
  if (!ctx.changeHead(Seen.size)) return TC_ACT_SHOT;
  const seen = ctx.at(Seen);
  if (!seen) return TC_ACT_PIPE;
  seen.a = ctx.length; seen.b = ctx.packetType + (ctx.vlanPresent ? 256 : 0); seen.c = ctx.protocol; seen.d = ctx.vlanTci + (ctx.vlanProtocol << 16);
  seen.e = ctx.hash; seen.f = ctx.ifindex + (ctx.ingressIfindex << 16); seen.g = ctx.queueMapping + (ctx.tcIndex << 16);
  seen.h = ctx.linearLength; seen.i = ctx.tstamp + ctx.wireLength + ctx.gsoSegments + ctx.gsoSize + ctx.tcClassid;
  return TC_ACT_UNSPEC;`;

const BODIES: Record<string, string> = {
  "fields as they come": show,
  "fields that are written": `ctx.mark += 5; ctx.priority = ctx.mark * 2; ctx.queueMapping = u16(70000); ctx.queueMapping = 9; ctx.tcIndex = u16(0x12345);
    ctx.tstamp = ctx.tstamp + 1; ${show}`,
  "a queue of 65535 is none": `ctx.queueMapping = 65535; ${show}`,
  "a tag is pushed": `if (!ctx.pushVlan(EtherType.VLAN, 0x2007)) return TC_ACT_SHOT; ${show}`,
  "two tags are pushed": `if (!ctx.pushVlan(EtherType.VLAN, 7) || !ctx.pushVlan(EtherType.QINQ, 8)) return TC_ACT_SHOT; ${show}`,
  "three tags are pushed": `if (!ctx.pushVlan(1, 7) || !ctx.pushVlan(EtherType.QINQ, 8) || !ctx.pushVlan(EtherType.VLAN, 9)) return TC_ACT_SHOT; ${show}`,
  "a tag is popped": `if (!ctx.popVlan()) return TC_ACT_SHOT; ${show}`,
  "two tags are popped": `if (!ctx.popVlan() || !ctx.popVlan()) return TC_ACT_SHOT; ${show}`,
  "a tag is pushed and popped": `if (!ctx.pushVlan(EtherType.VLAN, 7) || !ctx.popVlan()) return TC_ACT_SHOT; ${show}`,
  "the end moves": `if (!ctx.changeTail(40)) return TC_ACT_SHOT; if (!ctx.changeTail(90)) return TC_ACT_PIPE; ${show}`,
  "the end moves too far": `if (ctx.changeTail(13)) return TC_ACT_SHOT; if (ctx.changeTail(70000)) return TC_ACT_PIPE; ${show}`,
  "the start moves": `if (!ctx.changeHead(14)) return TC_ACT_SHOT; const eth = ctx.at(Ethernet); if (eth) eth.type = 0x0800; ${show}`,
  "the start moves, and the end not before what was the network header": `if (!ctx.changeHead(20) || ctx.changeTail(33)) return TC_ACT_SHOT;
    if (!ctx.changeTail(34)) return TC_ACT_PIPE; ${show}`,
  "the end moves up to where tags in the packet end": `if (!ctx.pushVlan(EtherType.VLAN, 7) || !ctx.pushVlan(EtherType.QINQ, 8)) return TC_ACT_SHOT;
    if (!ctx.changeTail(18)) return TC_ACT_PIPE; ${show}`,
  "a tag behind room in front is taken off": `if (!ctx.changeHead(8) || !ctx.popVlan()) return TC_ACT_SHOT; if (ctx.changeTail(17)) return TC_ACT_PIPE; ${show}`,
  "room behind the MAC header": `if (!ctx.adjustRoom(20, "mac")) return TC_ACT_SHOT; ${show}`,
  "room behind the IP header": `if (!ctx.adjustRoom(8, "net")) return TC_ACT_SHOT; ${show}`,
  "less behind the MAC header": `if (!ctx.adjustRoom(-20, "mac")) return TC_ACT_SHOT; ${show}`,
  "less behind the IP header": `if (!ctx.adjustRoom(-6, "net")) return TC_ACT_SHOT; ${show}`,
  "room in front, and then behind the MAC header": `if (!ctx.changeHead(6) || !ctx.adjustRoom(8, "mac")) return TC_ACT_SHOT; ${show}`,
  "less behind the IP header, with room in front": `if (!ctx.changeHead(6) || !ctx.adjustRoom(-8, "net")) return TC_ACT_SHOT; ${show}`,
  "bytes are stored": `if (!ctx.storeBytes(20, struct({ a: u8, b: be32 }), { a: 1, b: ctx.mark })) return TC_ACT_SHOT; ${show}`,
  "bytes are stored beyond the end": `if (!ctx.storeBytes(ctx.length - 3, be32, 7)) return TC_ACT_SHOT; ${show}`,
  "bytes are pulled": `if (!ctx.pull(34)) return TC_ACT_SHOT; const ip = ctx.at(IPv4, 14); if (ip) ip.ttl--; ${show}`,
  "a header's checksum follows": `if (!ctx.replaceL3Checksum(24, be16, 0x4011, 0x3f11) || !ctx.replaceL3Checksum(24, be32, 0x0a000001, ctx.mark))
    return TC_ACT_SHOT; if (!ctx.addToL3Checksum(24, csumDiff(null, mac4(1, 2, 3, 4), 0))) return TC_ACT_PIPE; ${show}`,
  "a datagram's checksum follows": `if (!ctx.replaceL4Checksum(40, be16, 53, 0xfffe, { mangledZero: true })
    || !ctx.replaceL4Checksum(40, be32, 0x0a000001, 0xffffffff, { pseudoHeader: true, mangledZero: true })) return TC_ACT_SHOT;
    if (!ctx.addToL4Checksum(40, csumDiff(mac4(1, 2, 3, 4), mac4(0xff, 2, 3, 9), 0), { mangledZero: true })) return TC_ACT_PIPE; ${show}`,
  "a checksum at an odd place": `if (ctx.replaceL3Checksum(25, be16, 1, 2)) return TC_ACT_SHOT; ${show}`,
  "a hash is given, and forgotten": `ctx.setHash(77); if (ctx.recalculateHash() !== 77) return TC_ACT_SHOT;
    if (ctx.length > 64) ctx.invalidateHash(); ${show}`,
  "the type changes": `if (!ctx.changeType(1)) return TC_ACT_SHOT; if (ctx.changeType(4)) return TC_ACT_PIPE; ${show}`,
};

const datagram = udp(pattern(30), { sourcePort: 53, destinationPort: 4242 });
const PACKETS = [
  frame(ETHERTYPE.IPV4, ipv4(datagram, { protocol: PROTOCOL.UDP })),
  frame(ETHERTYPE.IPV4, ipv4(datagram, { protocol: PROTOCOL.UDP }), [ETHERTYPE.VLAN]),
  frame(ETHERTYPE.IPV6, ipv6(datagram, PROTOCOL.UDP), [ETHERTYPE.QINQ, ETHERTYPE.VLAN]),
  frame(ETHERTYPE.IPV6, ipv6(datagram, PROTOCOL.UDP)),
  frame(46, pattern(46)),
  frame(46, Uint8Array.of(0xff, 0xff, ...pattern(44))),
  frame(ETHERTYPE.VLAN, pattern(2)),
  new Uint8Array(20),
  Uint8Array.from({ length: 100 }, () => 0xff),
  Uint8Array.from({ length: 60 }, (_, index) => (index === 0 ? 1 : index)),
];

const CONTEXT = {
  mark: 0xdead_beef,
  priority: 3,
  ingressIfindex: 0,
  tstamp: 5n,
  wireLength: 1500,
  gsoSegments: 2,
  gsoSize: 700,
};

describe.skipIf(noKernel)(`a socket buffer is what it is in the kernel${reason}`, () => {
  const names = Object.keys(BODIES);
  const programs = names.map((name, index) => `export const p${index} = tc.ingress((ctx) => {\n${BODIES[name]}\n});`);
  const mac4 = "const mac4 = bytes(4);\n";
  const { spec } = compile(FILE, { overlay: new Map([[FILE, PRELUDE + mac4 + programs.join("\n")]]) });

  names.forEach((name, index) => {
    test(name, () => {
      using object = loadSpec(spec, { programs: [`p${index}`] });
      for (const context of [undefined, CONTEXT]) {
        const vm = new Vm(spec, context && { skb: context });
        for (const packet of PACKETS) {
          const kernel = object.program(`p${index}`).run(packet, context && { context });
          const ours = vm.run(`p${index}`, packet);
          expect([ours.action, hex(ours.packet)], hex(packet)).toEqual([kernel.action, hex(kernel.packet)]);
          if (kernel.context === undefined) continue;
          const { mark, priority } = kernel.context;
          expect([ours.skb?.field("mark"), ours.skb?.field("priority")]).toEqual([mark, priority]);
        }
      }
    });
  });
});

test("addresses from before a move are no longer any", () => {
  const space = new AddressSpace();
  const skb = new Skb(space, new Uint8Array(64));
  const before = skb.load(SKB.data, 4);
  expect(space.read(before, 14)).toHaveLength(14);
  skb.pull(0);
  expect(() => space.read(before, 1)).toThrow(VmFault);
  expect(space.read(skb.load(SKB.data, 4), 14)).toHaveLength(14);
});
