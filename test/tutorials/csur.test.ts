/**
 * The ACM CSUR tutorial, followed. A lab called eth0 is the machine's interface, with a web server inside; a hosts file says that it is
 * google.com, so that the tutorial's command lines run as printed. Programs are loaded by Debian's `ip` and `tc`.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, needs, Sandbox } from "../cli/sandbox.ts";
import { CSUR, LEFT_OUT } from "./documents/csur.ts";
import { Reader } from "./reader.ts";

const reason = cannotRun ?? ["make", "curl", "tc", "bpftool", "ping"].map(needs).find((text) => text !== "") ?? null;
/** The lab's inside. */
const SERVER = "10.11.1.2";

describe.skipIf(reason !== null)(`csur${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let box: Sandbox;
  let reader: Reader;

  beforeAll(async () => {
    box = new Sandbox();
    reader = new Reader(box, "csur");
    reader.type("t setup -n eth0 --legacy-ip");
    const hosts = join(box.directory, "hosts");
    writeFileSync(hosts, `127.0.0.1 localhost\n${SERVER} google.com www.google.com\n`);
    box.output("mount", "--bind", hosts, "/etc/hosts");
    box.output("mount", "-t", "debugfs", "debugfs", "/sys/kernel/debug");
    const page = `require("node:http").createServer((_, r) => r.end("<html>page</html>")).listen(80, () => console.log("serving"))`;
    await reader.start(`ip netns exec eth0 ${process.execPath} -e '${page}'`).prints(/serving/);
  });
  afterAll(async () => {
    await reader?.close();
    box?.[Symbol.dispose]();
  });

  /** The tutorial's ping goes on for ever; two answers are enough, or none within half a second. */
  const pinged = (line: string) => / ([012]) received/.exec(reader.try(`${line} -c 2 -i 0.01 -W 0.5`).stdout)?.[1];
  const fetched = (line: string) => reader.try(`${line} -sS --max-time 1`).stdout;
  const PAGE = "<html>page</html>";

  test("every block of the document is followed, or left out for a reason", () => {
    expect(Object.keys(CSUR)).toHaveLength(8);
    expect(Object.values(LEFT_OUT).every((why) => why.length > 0)).toBe(true);
  });

  test("the examples are built", () => {
    for (const line of CSUR.kernelExamples) reader.type(line);
    for (const line of CSUR.localExamples) reader.type(line);
    expect(reader.type("ls examples/*.o samples/bpf/*.o").trim().split("\n")).toEqual([
      ...["dropworld", "icmpfilter", "layercoop", "portfilter", "tcpfilter"].map((name) => `examples/${name}.o`),
      "samples/bpf/xdp1_kern.o",
      "samples/bpf/xdp2skb_meta_kern.o",
    ]);
  });

  test("example 0, Drop World: pings stop, and with XDP_PASS they go on", () => {
    const { load, show, unload, ping } = CSUR.dropworld;
    expect(pinged(ping)).toBe("2");
    reader.type(load, "examples");
    expect(reader.type(show)).toMatch(/ xdp [\s\S]*\n +prog\/xdp id \d+ /);
    expect(pinged(ping)).toBe("0");
    reader.type(unload);
    expect(reader.type(show)).not.toContain("xdp");
    // "Modify the file by changing the return value."
    reader.edit("examples/dropworld.bpf.ts", "xdp(() => XDP_DROP", "xdp(() => XDP_PASS");
    reader.edit("examples/dropworld.bpf.ts", "import { XDP_DROP,", "import { XDP_PASS,");
    for (const line of CSUR.localExamples) reader.type(line);
    reader.type(load, "examples");
    expect(pinged(ping)).toBe("2");
    reader.type(unload);
  });

  test("example 1, TCP filter: pages come, pings do not; and the other way round", () => {
    const { ping, curl, load } = CSUR.tcpfilter;
    expect([pinged(ping), fetched(curl)]).toEqual(["2", PAGE]);
    reader.type(load, "examples");
    expect([pinged(ping), fetched(curl)]).toEqual(["0", PAGE]);
    // "Modify the program so that it only accepts ICMP packets."
    reader.edit("examples/tcpfilter.bpf.ts", "IpProtocol.TCP", "IpProtocol.ICMP");
    for (const line of CSUR.localExamples) reader.type(line);
    reader.type(load, "examples");
    expect([pinged(ping), fetched(curl)]).toEqual(["2", ""]);
    // The extra program, which also knows IPv6, and what ARP is for.
    reader.type(load.replace("tcpfilter.o sec .text", "icmpfilter.o sec xdp"), "examples");
    expect([pinged(ping), fetched(curl)]).toEqual(["2", ""]);
    expect(reader.type("ping -c 1 -W 1 fc00:dead:cafe:1::2")).toContain("1 received");
    reader.type(CSUR.dropworld.unload);
  });

  /** bpftool shows all programs of the machine, so the one on eth0 is looked for by its id. */
  const mapOnEth0 = (shown: string) => {
    const [, id = ""] = /prog\/xdp id (\d+)/.exec(reader.type(CSUR.dropworld.show)) ?? [];
    const program = new RegExp(`^${id}: xdp {2}name xdp_prog1 {2}tag [0-9a-f]{16} {2}gpl[\\s\\S]*? map_ids (\\d+)`, "m");
    return program.exec(shown)?.[1] ?? "";
  };

  test("example 2: xdp1 counts by protocol what it drops, and bpftool sees its map", async () => {
    const { usage, run, programs, dump } = CSUR.xdp1;
    expect(reader.try(usage, "samples/bpf")).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /^usage: xdp1 \[OPTS\] IFACE\n\nOPTS:\n {4}-S {4}use skb-mode\n {4}-N {4}enforce native mode\n/,
      ),
    });
    const counting = reader.start(run, "samples/bpf");
    const pinging = reader.start("ip netns exec eth0 ping -i 0.2 10.11.1.1");
    await counting.prints(/^proto 1: {9,10}\d+ pkt\/s$/m);
    const dumped = JSON.parse(reader.type(`${dump.replace("14", mapOnEth0(reader.type(programs)))} -j`));
    expect(dumped).toHaveLength(256);
    const icmp = dumped[1].formatted.values.reduce((sum: number, { value }: { value: number }) => sum + value, 0);
    expect(icmp).toBeGreaterThan(0);
    await pinging.interrupt();
    await counting.interrupt();
    // It takes its program along.
    expect(reader.type(CSUR.dropworld.show)).not.toContain("xdp");
    expect(reader.try("./xdp1 nowhere", "samples/bpf")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("unknown err(19)"),
    });
  });

  test("example 2, extra: packets pass, and are counted in a hash table; the device goes in the middle", async () => {
    const file = "samples/bpf/xdp1_kern.bpf.ts";
    reader.edit(file, /XDP_DROP/g, "XDP_PASS");
    reader.edit(file, "import { perCpuArray, type u32,", "import { hash, u32,");
    reader.edit(file, "perCpuArray({ value: u64, entries: 256 })", "hash({ key: u32, value: u64, entries: 256 })");
    // As the workspace's README has it.
    const [, lines = ""] = /hash table has a protocol only[^`]*```ts\n([\s\S]*?)```/.exec(reader.type("cat README.md")) ?? [];
    reader.edit(file, / {4}const count = [\s\S]*?count\.value\+\+;\n/, lines);
    reader.type("make", "samples/bpf");
    box.addVeth("brief");
    const brief = reader.start("./xdp1 brief", "samples/bpf");
    const counting = reader.start(CSUR.xdp1.run, "samples/bpf");
    await expect.poll(() => reader.type("ip link show eth0; ip link show brief").match(/prog\/xdp/g)).toHaveLength(2);
    reader.type("ip link del brief");
    const pinging = reader.start("ip netns exec eth0 ping -i 0.2 10.11.1.1");
    await pinging.prints(/icmp_seq=2 /);
    await counting.prints(/^proto 1: {9,10}\d+ pkt\/s$/m);
    const map = mapOnEth0(reader.type(CSUR.xdp1.programs));
    const dumped = JSON.parse(reader.type(`${CSUR.xdp1.dump.replace("14", map)} -j`)) as { formatted: object }[];
    expect(dumped.map(({ formatted }) => formatted)).toContainEqual({ key: 1, value: expect.any(Number) });
    await pinging.interrupt();
    await brief.prints(/^brief is gone, and the program with it: nothing is counted any more\.\n {2}why: /m);
    await counting.interrupt();
  });

  test("example 3: what comes in by XDP and goes out by TC is counted in one map", () => {
    const { loadRx, qdisc, loadTx, unload } = CSUR.layercoop;
    for (const line of [loadRx, qdisc, loadTx]) reader.type(line, "examples");
    expect(pinged(CSUR.dropworld.ping)).toBe("2");
    const [{ formatted }] = JSON.parse(reader.type("sudo bpftool -j map dump pinned /sys/fs/bpf/tc/globals/trackers"));
    // This host is 10.11.1.1; addresses are in network byte order in the map.
    expect(formatted.value).toEqual({ tx_cnt: 2, rx_cnt: 2, tx_bytes: 2 * 98, rx_bytes: 2 * 98 });
    for (const line of unload) reader.type(line);
    expect(reader.type(`${CSUR.dropworld.show} && tc filter show dev eth0 egress`)).not.toMatch(/xdp|bpf/);
    reader.type("sudo tc qdisc del dev eth0 clsact");
  });

  test("extra example 1: no page comes from port 80 while pings do", () => {
    const { curl, load } = CSUR.portfilter;
    expect(fetched(curl)).toBe(PAGE);
    reader.type(load, "examples");
    expect([pinged(CSUR.dropworld.ping), fetched(curl)]).toEqual(["2", ""]);
    reader.type(CSUR.dropworld.unload);
  });

  test("extra example 2: metadata goes from XDP to TC, and both say so in the trace", async () => {
    const { make, usage, load, loadXdp, loadTc, trace } = CSUR.metadata;
    // The lines that the tutorial adds, with a number by which this test knows its own.
    const mark = 100_000 + (process.pid % 100_000);
    reader.edit(
      "samples/bpf/xdp2skb_meta_kern.bpf.ts",
      "meta.mark = 42;",
      `meta.mark = ${mark};\n    trace\`[XDP] metadata = \${meta.mark}\`;`,
    );
    reader.edit(
      "samples/bpf/xdp2skb_meta_kern.bpf.ts",
      "ctx.mark = meta ? meta.mark : 41;",
      "ctx.mark = meta ? meta.mark : 41;\n    trace`[TC] metadata = ${ctx.mark}`;",
    );
    reader.edit("samples/bpf/xdp2skb_meta_kern.bpf.ts", "tc, u32,", "tc, trace, u32,");
    reader.type(make);

    expect(reader.try(usage, "samples/bpf")).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(
        /^Usage: \.\/xdp2skb_meta\.sh \[-vfh\] --dev ethX\n-d \| --dev {5}: {13}Network device \(required\)\n[\s\S]*ERROR: Please specify network device -- required option --dev\n/,
      ),
    });
    const expectTraced = async () => {
      const [from, to] = ["XDP", "TC"].map((hook) => `\\[${hook}\\] metadata = ${mark}`);
      const lines = new RegExp(`${from}[\\s\\S]*${to}`);
      await expect
        .poll(() => {
          reader.type("ip netns exec eth0 ping -c 1 10.11.1.1");
          return reader.type(trace);
        })
        .toMatch(lines);
    };
    reader.type(load, "samples/bpf");
    await expectTraced();
    const listed = reader.type("./xdp2skb_meta.sh --dev eth0 --list", "samples/bpf");
    expect(listed).toMatch(/\[tc_mark\] direct-action[\s\S]*prog\/xdp id \d+ name xdp_mark/);
    expect(reader.type("./xdp2skb_meta.sh --dev eth0 --flush --dry-run", "samples/bpf")).toBe(
      "tc filter del dev eth0 ingress\ntc qdisc del dev eth0 clsact\nip link set dev eth0 xdp off\n",
    );
    reader.type("./xdp2skb_meta.sh --dev eth0 --flush", "samples/bpf");
    expect(reader.type(`${CSUR.dropworld.show} && tc filter show dev eth0 ingress`)).not.toMatch(/xdp|bpf/);

    // "We can also load the programs directly."
    for (const line of [loadXdp, ...loadTc]) reader.type(line, "samples/bpf");
    await expectTraced();
    reader.type(CSUR.dropworld.unload);
  });

  test("the sample script called wrongly", () => {
    const failing = (line: string, folder = "samples/bpf") => {
      const { status, stderr } = reader.try(line, folder);
      return { status, first: stderr.split("\n")[0] };
    };
    expect(failing("samples/bpf/xdp2skb_meta.sh --dev eth0", ".")).toEqual({
      status: 3,
      first: "ERROR: Missing BPF object file (xdp2skb_meta_kern.o)",
    });
    expect(failing("./xdp2skb_meta.sh --nonsense").status).toBe(4);
    expect(failing("./xdp2skb_meta.sh --help")).toEqual({ status: 0, first: "" });
    const { status, stderr } = reader.try("./xdp2skb_meta.sh --dev nowhere", "samples/bpf");
    expect(status).toBe(2);
    expect(stderr).toContain('ERROR: Exec error(1) occurred cmd: "tc qdisc add dev nowhere clsact"\n');
  });
});
