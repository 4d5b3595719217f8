/** Programs for one device, on a veth: its driver has functions for the metadata of packets, and no card to run programs on. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { constant, maps, object } from "../../test/fixtures/objects.ts";
import { lacking } from "../../test/foreign-tools.ts";
import { compiledBytes, missing } from "../../test/objects/against-libbpf.ts";
import { freshNamespace, uniqueName } from "../../test/own-network.ts";
import { WirescriptError } from "../errors.ts";
import { readElf } from "../object/elf/read.ts";
import { SyscallError } from "../sys/errno.ts";
import { inNamespace } from "../sys/namespaces.ts";
import { addVethPair, getLink, setLinkUp } from "../sys/netlink/index.ts";
import { openPacketSocket } from "../sys/sockets.ts";
import { loadSpec } from "./load.ts";
import { ArrayMap } from "./maps/array.ts";

function refusal(work: () => unknown): WirescriptError & { errno: string | undefined } {
  try {
    work();
  } catch (error) {
    if (!(error instanceof WirescriptError)) throw error;
    const { cause } = error;
    return Object.assign(error, { errno: cause instanceof SyscallError ? cause.errnoName : undefined });
  }
  throw new Error("nothing was refused");
}

/** A veth pair in a namespace of its own, both ends up. */
function cable(): string {
  const namespace = freshNamespace();
  inNamespace(namespace, () => {
    addVethPair({ name: "a", peerName: "b" });
    for (const name of ["a", "b"]) setLinkUp(getLink(name).ifindex, true);
  });
  return namespace;
}

const noKernel = lacking("root");

describe.skipIf(noKernel !== "")(`programs for a device${noKernel}`, () => {
  const spec = () => {
    const name = uniqueName();
    return object([constant(`p_${name}`, 2)], [maps.table(name)]);
  };

  it("are bound to it, as the kernel says", () => {
    inNamespace(cable(), () => {
      using loaded = loadSpec(spec(), { device: "a" });
      const [program] = Object.values(loaded.programs);
      using link = program?.attach({ dev: "a" });
      expect(link?.attached).toBe(true);
      expect(refusal(() => program?.attach({ dev: "b" }))).toMatchObject({ why: expect.stringMatching(/device/i) });
      expect(refusal(() => program?.run(new Uint8Array(60))).why).toContain("one device");
    });
  });

  it("are not for devices without XDP of their own", () => {
    expect(refusal(() => loadSpec(spec(), { device: "lo" }))).toMatchObject({
      code: "MODE_UNSUPPORTED",
      errno: "EOPNOTSUPP",
      message: expect.stringContaining("for lo"),
      fix: expect.stringContaining("without `device`"),
    });
  });

  it("are not taken by a card that there is not: maps first, then programs", () => {
    inNamespace(cable(), () => {
      const { programs, maps: its } = spec();
      for (const [refused, what] of [
        [object([], its), /^The map "ta_.*" was not made onto the card of a/],
        [object(programs, []), /^The program "p_.*" was not loaded onto the card of a/],
      ] as const) {
        expect(refusal(() => loadSpec(refused, { device: "a", offload: true }))).toMatchObject({
          code: "MODE_UNSUPPORTED",
          errno: expect.stringMatching(/EINVAL|EOPNOTSUPP/),
          message: expect.stringMatching(what),
          why: expect.stringContaining("(veth)"),
          fix: expect.stringContaining('mode "native"'),
        });
      }
    });
  });

  it("need a device that is there", () => {
    expect(refusal(() => loadSpec(spec(), { device: "nosuch" }))).toMatchObject({ code: "NO_SUCH_DEVICE" });
    expect(refusal(() => loadSpec(spec(), { offload: true }))).toMatchObject({ code: "USAGE" });
  });

  const hasHash = readFileSync("/proc/kallsyms", "utf8").includes(" bpf_xdp_metadata_rx_hash");
  const lacks = missing("clang-19") || (hasHash ? "" : " (skipped: needs Linux 6.3)");
  it.skipIf(lacks !== "")(`may ask its driver about packets, and others may not${lacks}`, async () => {
    const clangs = readElf(compiledBytes("clang-19", "device"));
    const namespace = cable();
    expect(refusal(() => loadSpec(clangs))).toMatchObject({
      message: expect.stringContaining("functions of a device's driver"),
      fix: expect.stringContaining('{ device: "eth0" }'),
    });
    using loaded = inNamespace(namespace, () => loadSpec(clangs, { device: "a" }));
    using _ = loaded.program("hashed").attach({ dev: "a", netns: namespace, mode: "native" });
    const answers = loaded.map<ArrayMap<bigint>>("answers", ArrayMap);
    using far = inNamespace(namespace, () => openPacketSocket(getLink("b").ifindex));
    far.send(new Uint8Array(60).fill(0xff));
    await expect.poll(() => answers.get(0)).not.toBe(0n);
    // 0, or -ENODATA: the driver was asked. One that has no such function says -EOPNOTSUPP.
    expect([1000n, 1000n - 61n]).toContain(BigInt.asIntN(64, answers.get(0) ?? 0n));
  });
});
