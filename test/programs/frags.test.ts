/**
 * Jumbo frames on a wire: a veth pair with an MTU of 9000 in native mode. The driver refuses a program that knows one buffer only, and hands
 * the other one frames whose end lies in further pages.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { type ArrayMap, loadSpec } from "../../src/index.ts";
import { inNamespace } from "../../src/sys/namespaces.ts";
import { addVethPair, getLink, setLinkUp } from "../../src/sys/netlink/index.ts";
import { lacking } from "../foreign-tools.ts";
import { freshNamespace } from "../own-network.ts";
import { frame, hex, join, pattern } from "../packets/index.ts";
import { openFor, receive } from "./on-wire.ts";

const FILE = resolve("test/example.bpf.ts");
const MTU = 9000;
const TYPE = 0x88b5; // for local experiments

const MODULE = `
import { array, bytes, u32, u8, xdp, XDP_DROP, XDP_PASS, type XdpContext, type XdpAction } from "wirescript/kernel";
import { Ethernet } from "wirescript/net";

export const sizes = array({ value: u32, entries: 3 });
const word = bytes(4);

function look(ctx: XdpContext): XdpAction {
  const eth = ctx.at(Ethernet);
  if (!eth || eth.type !== ${TYPE}) return XDP_PASS;
  put(0, ctx.length);
  put(1, ctx.linearLength);
  put(2, ctx.at(u8, ctx.length - 1) ? 1 : 0);
  const end = ctx.loadBytes(ctx.length - 4, word);
  if (!end?.equals(word(0xca, 0xfe, 0xba, 0xbe))) return XDP_DROP;
  return ctx.storeBytes(ctx.length - 4, word, word(0x0d, 0xea, 0xd0, 0)) ? XDP_PASS : XDP_DROP;
}

function put(index: u32, value: u32): void {
  const size = sizes.lookup(index);
  if (size) size.value = value;
}

export const one_buffer = xdp(look);
export const several = xdp(look, { frags: true });
`;

const missing = lacking("root", "ip");
it.skipIf(missing !== "")(`a jumbo frame is read and written behind its first page${missing}`, () => {
  const object = loadSpec(compile(FILE, { overlay: new Map([[FILE, MODULE]]) }).spec);
  onTestFinished(() => object.close());
  const namespace = freshNamespace();
  const [far, near] = inNamespace(namespace, () => {
    writeFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    addVethPair({ name: "near", peerName: "far" });
    for (const device of ["near", "far"]) {
      execFileSync("ip", ["-n", namespace, "link", "set", "dev", device, "mtu", String(MTU)]);
      setLinkUp(getLink(device).ifindex, true);
    }
    expect(() => object.program("one_buffer").attach({ dev: "near", mode: "native" })).toThrow(
      expect.objectContaining({ code: "MODE_UNSUPPORTED", fix: expect.stringMatching(/MTU is 9000.*frags: true/) }),
    );
    object.program("several").attach({ dev: "near", mode: "native" });
    return [openFor("far"), openFor("near")];
  });
  const payload = pattern(MTU - 4);
  const sent = frame(TYPE, join(payload, [0xca, 0xfe, 0xba, 0xbe]));
  far?.send(sent);
  const expected = hex(frame(TYPE, join(payload, [0x0d, 0xea, 0xd0, 0])));
  const isOurs = (bytes: Uint8Array) => bytes.length === sent.length;
  expect(near && receive(near, 1, isOurs)).toEqual([expected]);
  const sizes = object.map("sizes") as ArrayMap<number>;
  expect(sizes.get(0)).toBe(sent.length);
  expect(sizes.get(1)).toBeLessThan(4096);
  expect(sizes.get(2)).toBe(0);

  // A short frame is in one buffer.
  const short = frame(TYPE, join(pattern(100), [0xca, 0xfe, 0xba, 0xbe]));
  far?.send(short);
  expect(near && receive(near, 1, (bytes) => bytes.length === short.length)).toHaveLength(1);
  expect([sizes.get(0), sizes.get(1), sizes.get(2)]).toEqual([short.length, short.length, 1]);
});
