/** The seeds' programs as objects, loaded by the tools and the names that the seeds' command lines use. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compiler/compile.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { isolated, lacking, temporaryDirectory } from "../foreign-tools.ts";
import { sourceOf } from "./subject.ts";

const SECTIONS = [
  ["redirect", "xdp_redirect"],
  ["redirect-map", "xdp_redirect_map"],
  ["patch-ports", "xdp_patch_ports"],
  ["vlan-swap", "xdp_vlan_swap"],
  ["tcpfilter", ".text"],
  ["portfilter", "filter"],
  ["flow-counters", "rx"],
  ["protocol-counter", "xdp1"],
] as const;

const FUNCTIONS = [
  ["redirect", "xdp_redirect_func"],
  ["redirect-map", "xdp_redirect_map_func"],
  ["patch-ports", "xdp_patch_ports_func"],
  ["vlan-swap", "xdp_vlan_swap_func"],
] as const;

const VETH = "ip link add w0 type veth peer name w1; ip link set w0 up;";

function objectOf(file: string): string {
  const path = join(temporaryDirectory(), `${file}.o`);
  writeFileSync(path, writeElf(compile(sourceOf(`programs/${file}.bpf.ts`)).spec));
  return path;
}

const noIp = lacking("root", "ip", "unshare");
describe.skipIf(noIp !== "")(`iproute2 loads by section${noIp}`, () => {
  it.each(SECTIONS)("%s: sec %s", (file, section) => {
    const log = isolated(`${VETH} ip link set dev w0 xdp obj ${objectOf(file)} sec ${section}; ip -d link show w0`);
    expect(log).toMatch(/prog\/xdp id \d+/);
  });
});

const noLoader = lacking("root", "ip", "xdp-loader", "unshare");
describe.skipIf(noLoader !== "")(`xdp-loader loads by function${noLoader}`, () => {
  it.each(FUNCTIONS)("%s: -n %s", (file, name) => {
    const log = isolated(`${VETH} xdp-loader load w0 ${objectOf(file)} -n ${name}; xdp-loader status w0`);
    // The kernel keeps the first 15 characters of a name.
    expect(log).toContain(name.slice(0, 15));
  });
});
