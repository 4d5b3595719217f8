/**
 * TC programs on real packets, loaded and attached by Debian's tools alone: `tc`, `ip` and `bpftool`, which know nothing of us. What a
 * program did is asked of others too: the routing rules see the mark, ping sees the answer.
 */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { readElf } from "../../src/object/elf/read.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { isolated, lacking, temporaryDirectory } from "../foreign-tools.ts";
import { sourceOf } from "./subject.ts";

const FILE = resolve("test/example.bpf.ts");

function objectOf(name: string, source: string, overlay?: ReadonlyMap<string, string>): string {
  const path = join(temporaryDirectory(), `${name}.o`);
  writeFileSync(path, writeElf(compile(source, overlay && { overlay }).spec));
  return path;
}

const shipped = (file: string) => objectOf(file, sourceOf(`programs/${file}.bpf.ts`));
const written = (text: string) => objectOf("example", FILE, new Map([[FILE, text]]));

/** A wire from w0 (10.9.0.1) to w1 (10.9.0.2), which is in another namespace, with a qdisc for TC programs at w0. */
const WIRE = `
  mount -t tmpfs tmpfs /run; mkdir /run/netns; ip netns add peer
  ip link add w0 type veth peer name w1 netns peer; ip link set lo up
  ip addr add 10.9.0.1/24 dev w0; ip link set w0 up
  ip -n peer addr add 10.9.0.2/24 dev w1; ip -n peer link set w1 up
  tc qdisc add dev w0 clsact
`;
/** "1" when the ping is answered, else "0". */
const PING = "ip netns exec peer ping -c 1 -W 1 10.9.0.1 | sed -n 's/.* \\([01]\\) received.*/answered \\1/p'";

it("a program keeps its type in an object file, whatever its section is called", () => {
  const types = (file: string) =>
    readElf(writeElf(compile(sourceOf(`programs/${file}.bpf.ts`)).spec)).programs.map(({ name, type }) => [name, type]);
  expect(types("flow-counters")).toEqual([
    ["rx", "xdp"],
    ["tx", "sched_cls"],
  ]);
  expect(types("metadata")).toEqual([
    ["xdp_mark", "xdp"],
    ["tc_mark", "sched_cls"],
  ]);
});

const missing = lacking("root", "tc", "ip", "ping", "unshare");
describe.skipIf(missing !== "")(`on a wire, attached by tc${missing}`, () => {
  it("the mark tells whether XDP's metadata arrived", () => {
    const object = shipped("metadata");
    const log = isolated(`${WIRE}
      tc filter add dev w0 ingress prio 1 handle 1 bpf da obj ${object} sec tc_mark
      ip rule add pref 10 lookup local; ip rule del pref 0
      ip rule add pref 5 fwmark 42 blackhole
      ${PING}
      ip link set dev w0 xdp obj ${object} sec xdp_mark
      ${PING}
      ip rule del pref 5; ip rule add pref 5 fwmark 41 blackhole
      ${PING}
      ip link set dev w0 xdp off
      ${PING}`);
    expect(log.match(/answered \d/g)).toEqual(["answered 1", "answered 0", "answered 1", "answered 0"]);
  });

  const noBpftool = lacking("bpftool");
  it.skipIf(noBpftool !== "")(`both directions are counted in one table${noBpftool}`, () => {
    const object = shipped("flow-counters");
    const log = isolated(`${WIRE}
      ip link set dev w0 xdp obj ${object} sec rx
      tc filter add dev w0 egress bpf da obj ${object} sec tx
      ip netns exec peer ping -q -c 3 -i 0.01 -W 1 -s 1000 10.9.0.1 > /dev/null
      bpftool -j map dump pinned /sys/fs/bpf/tc/globals/trackers`);
    const [{ formatted }] = JSON.parse(log.split("\n").find((line) => line.startsWith("[")) ?? "[]");
    const size = 14 + 20 + 8 + 1000;
    expect(formatted.value).toEqual({ tx_cnt: 3, rx_cnt: 3, tx_bytes: 3 * size, rx_bytes: 3 * size });
  });

  it("one object holds several programs of TC and XDP: bpftool loads all, tc picks by section or by name", () => {
    const object = written(`import { tc, TC_ACT_OK, TC_ACT_SHOT, xdp, XDP_PASS } from "wirescript/kernel";
      export const pass_all = xdp(() => XDP_PASS);
      export const drop_out = tc.egress(() => TC_ACT_SHOT);
      export const drop_in = tc.ingress((ctx) => (ctx.protocol === 0x0800 ? TC_ACT_SHOT : TC_ACT_OK));
      export const later = tc.egress(() => TC_ACT_SHOT, { section: "classifier" });`);
    const log = isolated(`${WIRE}
      ${noBpftool === "" ? `bpftool prog loadall ${object} /sys/fs/bpf/all; ls /sys/fs/bpf/all` : ""}
      ${PING}
      tc filter add dev w0 ingress bpf da obj ${object} program drop_in
      ${PING}
      tc filter del dev w0 ingress
      ${PING}
      tc filter add dev w0 egress bpf da obj ${object} sec classifier
      ${PING}
      tc filter show dev w0 egress`);
    expect(log.match(/answered \d/g)).toEqual(["answered 1", "answered 0", "answered 1", "answered 0"]);
    expect(log).toMatch(/\[classifier\] direct-action .* name later /);
    if (noBpftool === "") expect(log).toContain("drop_in\ndrop_out\nlater\npass_all\n");
  });

  it.skipIf(noBpftool !== "")(`what is not linear is pulled in, stored to, and sent with a right checksum${noBpftool}`, () => {
    // The payload of TCP segments that this host sends lies outside of the linear part.
    const object = written(`import { array, bytes, tc, TC_ACT_OK, TC_ACT_SHOT, u64 } from "wirescript/kernel";
      import { Ethernet, EtherType, IPv4, IpProtocol, Tcp } from "wirescript/net";
      export const seen = array({ value: u64, entries: 4, pinned: true });
      const word = bytes(5);
      export const censor = tc.egress((ctx) => {
        const ip = ctx.at(IPv4, Ethernet.size);
        if (!ip || ctx.protocol !== EtherType.IPv4 || ip.protocol !== IpProtocol.TCP || ctx.length < 1000) return TC_ACT_OK;
        const tcp = ctx.at(Tcp, Ethernet.size + ip.ihl * 4);
        if (!tcp) return TC_ACT_OK;
        const payload = Ethernet.size + ip.ihl * 4 + tcp.dataOffset * 4;
        count(ctx.linearLength < ctx.length ? 0 : 3);
        if (!ctx.at(word, payload + 900)) count(1);
        if (!ctx.pull(payload + 905)) return TC_ACT_SHOT;
        const secret = ctx.at(word, payload + 900);
        if (secret?.equals(word(0x53, 0x45, 0x43, 0x52, 0x45))) {
          count(2);
          if (!ctx.storeBytes(payload + 900, word, word(0x58, 0x58, 0x58, 0x58, 0x58))) return TC_ACT_SHOT;
        }
        return TC_ACT_OK;
      });
      function count(index: number): void {
        const counter = seen.lookup(index);
        if (counter) counter.value++;
      }`);
    const receive = `require("net").createServer((s) => { let text = ""; s.on("data", (d) => { text += d; }).on("end", () => {
      console.log("received " + text.length + " " + text.slice(898, 908)); process.exit(); }); }).listen(7, "10.9.0.2", () => require("fs").writeFileSync("/run/ready", ""));`;
    const send = `require("net").connect(7, "10.9.0.2").end("a".repeat(900) + "SECRET" + "b".repeat(300));`;
    const log = isolated(`${WIRE}
      tc filter add dev w0 egress bpf da obj ${object} sec tc
      ip netns exec peer ${process.execPath} -e '${receive}' & server=$!
      while [ ! -e /run/ready ]; do kill -0 $server; done
      timeout 5 ${process.execPath} -e '${send}'; wait $server
      bpftool -j map dump pinned /sys/fs/bpf/tc/globals/seen`);
    // The checksum is left to the device: it covers what was stored.
    expect(log).toContain("received 1206 aaXXXXXTbb");
    const values = JSON.parse(log.split("\n").find((line) => line.startsWith("[")) ?? "[]");
    expect(values.map((each: { formatted: { value: number } }) => each.formatted.value)).toEqual([1, 1, 1, 0]);
  });
});
