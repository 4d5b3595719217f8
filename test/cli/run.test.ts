/** `wirescript run`: packets from everywhere, programs from everywhere, and what is wrong said in words. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildPacket } from "../../src/packet/build.ts";
import { hex } from "../../src/packet/hex.ts";
import { readCapture, writeCapture } from "../../src/packet/pcap.ts";
import { lackingScapy, scapy } from "../net/scapy.ts";
import { BIN, cannotRun, DROP, ECHO, needs, PASS, ROOT, Sandbox, titled } from "./sandbox.ts";

describe.skipIf(cannotRun !== null)(titled("wirescript run"), () => {
  let box: Sandbox;
  const json = (...args: string[]) => {
    const { status, stdout, stderr } = box.wirescript("run", ...args, "--json");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return JSON.parse(stdout);
  };

  beforeAll(() => {
    box = new Sandbox();
  });
  afterAll(() => box[Symbol.dispose]());

  test("shows the verdict, every change, and the maps that changed", () => {
    const { status, stdout } = box.wirescript("run", ECHO, "-p", "eth/ip/icmp(id=7)/payload");
    expect(status).toBe(0);
    expect(stdout).toBe(`XDP_TX  68 bytes

~ Ethernet
    dst  02:00:00:00:00:02 → 02:00:00:00:00:01
    src  02:00:00:00:00:01 → 02:00:00:00:00:02
~ IPv4
    src  10.0.0.1 → 10.0.0.2
    dst  10.0.0.2 → 10.0.0.1
~ ICMP
    type      8 (echo request) → 0 (echo reply)
    checksum  0x695c → 0x715c
  payload  26 bytes 6162636465666768696a6b6c6d6e6f707172737475767778797a

xdp_stats_map (map)
  ~ 3  { rx_packets: 0, rx_bytes: 0 } → { rx_packets: 1, rx_bytes: 68 }
`);
  });

  test("the capture to the standard output, alone", () => {
    const output = join(box.directory, "stdout.pcap");
    const script = `'${process.execPath}' '${BIN}' run '${PASS}' -p eth/ip/udp -o - > '${output}'`;
    expect(box.run("sh", ["-c", script])).toMatchObject({ status: 0, stderr: "" });
    expect(readCapture(readFileSync(output), output).map(hex)).toEqual([hex(buildPacket("eth/ip/udp"))]);
    expect(box.wirescript("run", PASS, "-p", "eth", "-o", "-", "--json").stderr).toContain(
      "cannot both go to the standard output",
    );
    expect(box.wirescript("run", PASS, "-p", "eth", "-o", join(box.directory, "no/such")).status).toBe(9);
  });

  test("a device of another namespace, for run and features", () => {
    const name = `r${process.pid.toString(36)}`;
    box.output("ip", "netns", "add", name);
    try {
      box.output("ip", "-n", name, "link", "add", name, "type", "veth");
      expect(box.wirescript("run", PASS, "-p", "eth/ip/udp", "--in", name).status).toBe(5);
      box.output("ip", "-n", name, "link", "set", name, "up");
      expect(box.wirescript("run", PASS, "-p", "eth/ip/udp", "--in", name, "--netns", name).stdout).toMatch(/^XDP_PASS/);
      const { stdout } = box.wirescript("features", name, "--netns", name, "--json");
      expect(JSON.parse(stdout).device).toMatchObject({ dev: name, driver: "veth" });
    } finally {
      box.output("ip", "netns", "delete", name);
    }
  });

  test("a tag that is taken off, and a checksum that is wrong", () => {
    const { stdout } = box.wirescript(
      "run",
      join(ROOT, "src/programs/vlan-swap.bpf.ts"),
      "-p",
      "eth/vlan(id=3)/ip(chksum=1)/udp",
    );
    expect(stdout).toContain("46 → 42 bytes");
    expect(stdout).toMatch(/^- VLAN {2}priority 0, dropEligible 0, id 3/m);
    expect(stdout).toContain("! the checksum should be 0x66cf");
  });

  test("hexadecimal in, JSON out", () => {
    const packet = buildPacket("eth/ip/icmp/payload");
    const text = hex(packet).replace(/../g, "$& ");
    const { program, packets, maps } = json(ECHO, "-p", text);
    expect(program).toMatchObject({ name: "echo", type: "xdp" });
    expect(packets[0]).toMatchObject({ verdict: "XDP_TX", action: 3 });
    expect(packets[0].changes.map(({ layer }: { layer: string }) => layer)).toEqual(["eth", "ip", "icmp"]);
    expect(maps).toMatchObject([{ name: "xdp_stats_map", changes: [{ key: 3, after: { rx_packets: 1, rx_bytes: 68 } }] }]);
  });

  test("TC programs, repetitions, a CPU, a device", () => {
    writeFileSync(
      join(box.directory, "tc.bpf.ts"),
      'import { tc, TC_ACT_OK, TC_ACT_SHOT } from "wirescript/kernel";\nexport const only = tc.ingress((ctx) => (ctx.ingressIfindex === 1 ? TC_ACT_SHOT : TC_ACT_OK));\n',
    );
    const file = join(box.directory, "tc.bpf.ts");
    expect(json(file, "-p", "eth/ip/udp").packets[0].verdict).toBe("TC_ACT_OK");
    expect(json(file, "-p", "eth/ip/udp", "--in", "lo").packets[0].verdict).toBe("TC_ACT_SHOT");
    expect(box.wirescript("run", DROP, "-p", "eth/ip/udp", "--repeat", "1000", "--cpu", "0").stdout).toMatch(
      /^XDP_DROP {2}42 bytes, \d+ ns per run \(1000 runs\)$/m,
    );
  });

  test("every packet of a capture, one of them, and what came out as a capture", () => {
    const frames = ["eth/ip/icmp", "eth/ip/udp", "eth/ip6/icmp6"].map(buildPacket);
    const [input, output] = [join(box.directory, "in.pcap"), join(box.directory, "out.pcap")];
    writeFileSync(input, writeCapture(frames));
    const { status, stdout } = box.wirescript("run", ECHO, "--pcap", input, "-o", output);
    expect(status).toBe(0);
    const lines = stdout.split("\n");
    expect(lines[0]).toBe("1  XDP_TX        eth/ip/icmp  eth.dst/src ip.src/dst icmp.type/checksum");
    expect(lines[1]).toBe("2  XDP_PASS      eth/ip/udp  unchanged");
    expect(lines[4]).toBe("XDP_TX 2  XDP_PASS 1");
    expect(readCapture(readFileSync(output), output)).toHaveLength(3);
    expect(json(ECHO, "--pcap", input, "--number", "2").packets).toHaveLength(1);
    const piped = box.run("sh", ["-c", `'${process.execPath}' '${BIN}' run '${ECHO}' --pcap - < '${input}'`]);
    expect(piped.stdout).toBe(stdout);
  });

  test.skipIf(lackingScapy !== "")(`what scapy captured${lackingScapy}`, () => {
    const file = join(box.directory, "scapy.pcapng");
    scapy(
      `wrpcapng("${file}", [Ether(dst="02:00:00:00:00:02",src="02:00:00:00:00:01")/IP(src="10.0.0.1",dst="10.0.0.2")/ICMP()/Raw(bytes([i]*i)) for i in range(40)])`,
    );
    const { packets } = json(ECHO, "--pcap", file);
    expect(packets).toHaveLength(40);
    for (const { verdict, after } of packets) {
      expect(verdict).toBe("XDP_TX");
      expect(after.flatMap(({ problems }: { problems: string[] }) => problems)).toEqual([]);
    }
  });

  test.skipIf(needs("bpftool") !== "")(`programs in the kernel, by id, name and pin${needs("bpftool")}`, () => {
    const dev = `r${process.pid.toString(36)}`;
    box.addVeth(dev);
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
    expect(box.wirescript("load", dev, PASS).status).toBe(0);
    const { id } = JSON.parse(box.output("ip", "-json", "-details", "link", "show", "dev", dev))[0].xdp.prog;
    const pin = `/sys/fs/bpf/prog${process.pid}`;
    box.output("bpftool", "prog", "pin", "id", `${id}`, pin);
    for (const words of [[`${id}`], ["id", `${id}`], [pin], ["pinned", pin]]) {
      expect(json(...words, "-p", "eth/ip/udp")).toMatchObject({
        program: { id, name: "pass" },
        packets: [{ verdict: "XDP_PASS" }],
      });
    }
    box.output("rm", pin);
    box.wirescript("unload", dev);
  });

  test.each<[number, string[], RegExp]>([
    [2, [PASS], /no packet to run/],
    [2, [PASS, "-p", "eth/ip", "--pcap", "x"], /two sources/],
    [2, [PASS, "-p", "zz"], /no protocol "zz"|hexadecimal/],
    [2, [PASS, "-p", "0102030"], /hexadecimal/],
    [2, [PASS, "-p", "0102"], /2 bytes/],
    [2, [PASS, "-p", "00112233445566778899aabbcc"], /Pad the packet to 14 bytes or more/],
    [2, [PASS, "-p", "eth/ip(ttl=300)"], /ttl/],
    [2, [PASS, "-p", "eth/ip", "--cpu", "-1"], /whole number/],
    [2, [PASS, "-p", "eth/ip", "--cpu", "4000"], /CPU 4000/],
    [5, [PASS, "-p", "eth/ip", "--in", "nosuch"], /nosuch/],
    [9, [PASS, "--pcap", "/nonexistent.pcap"], /cannot be read/],
    [9, [PASS, "--pcap", PASS], /no capture file/],
    [9, ["nosuch.bpf.ts", "-p", "eth/ip"], /nosuch\.bpf\.ts/],
    [6, ["4294967295", "-p", "eth/ip"], /no program with id/],
    [6, ["nosuchprogram", "-p", "eth/ip"], /no program named "nosuchprogram"/],
    [6, ["pinned", "/sys/fs/bpf/nosuch", "-p", "eth/ip"], /no pinned program/],
  ])("exit status %i for %j", (status, args, says) => {
    const outcome = box.wirescript("run", ...args);
    expect(outcome).toMatchObject({ status, stdout: "" });
    expect(outcome.stderr).toMatch(says);
    expect(outcome.stderr).toMatch(/^ {2}why: \S[\s\S]*^ {2}fix: \S/m);
  });

  test("without root", () => {
    const { status, stderr } = box.unprivileged("run", PASS, "-p", "eth/ip/udp");
    expect({ status, stderr }).toMatchObject({ status: 3, stderr: expect.stringContaining("root") });
  });
});
