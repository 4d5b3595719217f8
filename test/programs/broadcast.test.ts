/** The hub: three hosts on three wires that meet in a namespace; what one says the others hear, once each, and nobody hears himself. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { isolated, lacking, temporaryDirectory } from "../foreign-tools.ts";
import { sourceOf } from "./subject.ts";

const missing = lacking("root", "tc", "ip", "ping", "unshare", "bpftool");

function objectFile(): string {
  const path = join(temporaryDirectory(), "broadcast.o");
  writeFileSync(path, writeElf(compile(sourceOf("programs/broadcast.bpf.ts")).spec));
  return path;
}

describe.skipIf(missing !== "")(`broadcast, attached by tc${missing}`, () => {
  it("each of three hosts reaches the two others, over both families, through copies alone", () => {
    const log = isolated(`mount -t tmpfs tmpfs /run; mkdir /run/netns
      ip link set lo up
      for n in 1 2 3; do
        ip netns add host$n
        ip link add port$n type veth peer name eth0 netns host$n
        echo 1 > /proc/sys/net/ipv6/conf/port$n/disable_ipv6
        ip link set port$n up; ip -n host$n link set eth0 up
        ip -n host$n addr add 10.0.0.$n/24 dev eth0; ip -n host$n addr add fd00::$n/64 dev eth0 nodad
        tc qdisc add dev port$n clsact
        tc filter add dev port$n ingress bpf da obj ${objectFile()} sec classifier
      done
      ports=$(for n in 1 2 3; do printf '%d 0 0 0 ' $(cat /sys/class/net/port$n/ifindex); done; for n in $(seq 13); do printf '0 0 0 0 '; done)
      bpftool map update pinned /sys/fs/bpf/tc/globals/ports key 0 0 0 0 value $ports
      for from in 1 2 3; do for to in 1 2 3; do [ $from = $to ] && continue
        for address in 10.0.0.$to fd00::$to; do
          echo $from $address $(ip netns exec host$from ping -q -c 2 -i 0.01 -W 2 $address | grep received)
        done
      done; done
      ip -s -j link show port3`);
    const answers = log.split("\n").filter((line) => / received/.test(line));
    expect(answers).toHaveLength(12);
    for (const line of answers) expect(line).toMatch(/2 packets transmitted, 2 received, 0% packet loss/);
  });

  it("has room for 16 ports, which user space sees as an array", () => {
    const { spec } = compile(sourceOf("programs/broadcast.bpf.ts"));
    expect(spec.maps).toMatchObject([{ name: "ports", valueSize: 64, maxEntries: 1, pinning: "by-name" }]);
  });
});
