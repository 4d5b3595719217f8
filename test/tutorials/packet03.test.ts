/**
 * The XDP tutorial's lesson packet03, followed from its first command line to its last, in both of its dialects. What a command line does is
 * judged by what the text promises: pings that are answered, packets that tcpdump sees, rows of ./xdp_stats.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, needs, Sandbox } from "../cli/sandbox.ts";
import { hasTool } from "../own-network.ts";
import { LEFT_OUT, PACKET03_2020, PACKET03_TODAY } from "./documents/packet03.ts";
import { commandsIn, lastCounters, Reader } from "./reader.ts";

const reason = cannotRun ?? ["make", "ping", "tcpdump", "sysctl"].map(needs).find((text) => text !== "") ?? null;

const DIALECTS = [
  {
    dialect: "2020",
    blocks: PACKET03_2020,
    /** The text says to attach the program of the assignment to `right`, and leaves the command to the reader. */
    loadRedirect: "t load -n right -- -F --progsec xdp_redirect",
    loadPass: (lab: string) => `t exec -n ${lab} -- ./xdp_loader -d veth0 -F --progsec xdp_pass`,
  },
  {
    dialect: "today",
    blocks: PACKET03_TODAY,
    loadRedirect: "t load -n right -- --prog-name xdp_redirect_func xdp_prog_kern.o",
    loadPass: (lab: string) => `t exec -n ${lab} -- ./xdp-loader load --prog-name xdp_pass_func veth0 xdp_prog_kern.o`,
  },
] as const;

const TITLE = `packet03 as of %s${reason === null ? "" : ` (skipped: ${reason})`}`;

describe.skipIf(reason !== null).each(DIALECTS.map((each) => [each.dialect, each] as const))(TITLE, (_, lesson) => {
  const { blocks } = lesson;
  let box: Sandbox;
  let reader: Reader;

  beforeAll(() => {
    box = new Sandbox();
    reader = new Reader(box, "packet03");
    reader.type("make");
  });
  // The labs go with the sandbox's namespaces, which nobody else is in.
  afterAll(async () => {
    await reader?.close();
    box?.[Symbol.dispose]();
  });

  /** One reading of ./xdp_stats. */
  async function statsOf(line: string) {
    const output = await reader.watch(line, /^XDP_REDIRECT .*\n/m);
    expect(output).toContain("\nCollecting stats from BPF map\n - BPF map (bpf_map_type:6) id:");
    expect(output).toMatch(/ name:xdp_stats_map key_size:4 value_size:16 max_entries:5\nXDP-action {2}\n/);
    return lastCounters(output);
  }
  function labState(lab: string) {
    const { prefix, legacyPrefix, iface } = JSON.parse(reader.type(`t status -n ${lab} --json`)).selected;
    return { ip6: `${prefix.replace(/\/\d+$/, "")}2`, ip4: legacyPrefix.replace(/0\/\d+$/, "2"), iface };
  }
  /** Pings from inside of labs; each is answered. */
  function pings(count: number, pairs: readonly (readonly [lab: string, address: string])[]): void {
    const lines = pairs.map(([lab, address]) => `ip netns exec ${lab} ping -c ${count} -i 0.01 ${address}`);
    const answers = reader.type(lines.join("\n")).match(/\d+ received, 0% packet loss/g);
    expect(answers).toEqual(pairs.map(() => `${count} received, 0% packet loss`));
  }

  test("every block of the document is followed, or left out for a reason", () => {
    expect(Object.keys(blocks)).toHaveLength(11);
    expect(Object.values(LEFT_OUT).every((why) => why.length > 0)).toBe(true);
  });

  test("assignment 1: pings are answered by the program, over both families, and counted as XDP_TX", async () => {
    const said = reader.follow(blocks.setupEcho);
    expect(said).toContain("Setting up new environment 'test'\n");
    if (lesson.dialect === "2020") {
      expect(said).toMatch(
        /^Success: Loaded BPF-object\(xdp_prog_kern\.o\) and used section\(xdp_pass\)\n - XDP prog attached on device:veth0\(ifindex:\d+\)$/m,
      );
    }
    const [ping = "", legacy = "", stats = ""] = commandsIn(blocks.pingEcho);
    let sent = 0;
    for (const line of [ping, legacy]) {
      const output = await reader.watch(line, /icmp_seq=4 /);
      const [, transmitted, received] = /^(\d+) packets transmitted, (\d+) received, 0% packet loss$/m.exec(output) ?? [];
      expect(received, output).toBe(transmitted);
      sent += Number(transmitted);
    }
    expect(sent).toBeGreaterThanOrEqual(8);
    const counters = await statsOf(stats);
    expect(counters.XDP_TX?.packets).toBe(sent);
    for (const action of ["XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_REDIRECT"])
      expect(counters[action]?.packets, action).toBe(0);
  });

  test("assignment 2: what right sends arrives in left, and left answers", async () => {
    reader.type("t setup -n left --legacy-ip && t setup -n right --legacy-ip");
    // "Patch the xdp_redirect program accordingly."
    const { ip6: address, iface } = labState("left");
    const from: string = iface.mac;
    const to = reader.type("t exec -n left -- cat /sys/class/net/veth0/address").trim();
    const bytes = (mac: string) => mac.replaceAll(/(..):?/g, "0x$1, ").slice(0, -2);
    reader.edit("redirect.bpf.ts", "const ifindex = setting(u32, 0)", `const ifindex = setting(u32, ${iface.ifindex})`);
    reader.edit("redirect.bpf.ts", "const dest_mac = setting(mac, mac())", `const dest_mac = setting(mac, mac(${bytes(to)}))`);
    reader.edit("redirect.bpf.ts", "const src_mac = setting(mac, mac())", `const src_mac = setting(mac, mac(${bytes(from)}))`);
    reader.type("make");
    reader.follow(blocks.passOnLeft);
    reader.type(lesson.loadRedirect);

    const [enterLeft = "", tcpdump = ""] = commandsIn(blocks.listenOnLeft);
    const listening = reader.start(enterLeft);
    // Addresses of senders and receivers on the link show that both MAC addresses are the text's.
    listening.type(`exec ${tcpdump} -n -e`);
    await listening.prints(/listening on veth0/);
    const [enterRight = "", ping = ""] = commandsIn(blocks.pingFromRight);
    const pinging = reader.start(enterRight);
    pinging.type(`exec ${ping.replace(/fc00:.*/, address)}`);
    await listening.prints(/ICMP6, echo request[\s\S]*ICMP6, echo reply/);
    await pinging.interrupt();
    const seen = await listening.interrupt();
    const right = labState("right").ip6;
    expect(seen).toContain(`${from} > ${to}, ethertype IPv6 (0x86dd)`);
    expect(seen).toMatch(new RegExp(`${right} > ${address}: ICMP6, echo request`));
    expect(seen).toMatch(new RegExp(`${address} > ${right}: ICMP6, echo reply`));

    const counters = await statsOf(commandsIn(blocks.statsOfRight)[0] ?? "");
    expect(counters.XDP_REDIRECT?.packets).toBeGreaterThan(0);
    expect(counters.XDP_ABORTED?.packets).toBe(0);
  });

  test("assignment 3: the insides of two labs ping each other through the maps, and both programs count it", async () => {
    // "Configure environment as in the Assignment 2." Only the older dialect's commands replace what is there.
    if (lesson.dialect === "today") reader.type("t unload -n right");
    reader.follow(blocks.loadRedirectMap);
    reader.follow(blocks.passInside);
    const said = reader.follow(blocks.redirect);
    expect(said.match(/^redirect from .*/gm)).toHaveLength(2);
    const [left, right] = [labState("left"), labState("right")];
    const both = [
      ["left", right.ip4],
      ["left", right.ip6],
      ["right", left.ip4],
      ["right", left.ip6],
    ] as const;
    pings(3, both);
    for (const line of commandsIn(blocks.statsOfBoth)) {
      const counters = await statsOf(line);
      expect(counters.XDP_REDIRECT?.packets).toBeGreaterThanOrEqual(12);
      expect(counters.XDP_ABORTED?.packets).toBe(0);
    }
    // The tool that `t redirect` stands for: a second sender has its place too.
    const more = "./xdp_prog_user -d left -r right --src-mac 02:00:00:00:00:07 --dest-mac 02:00:00:00:00:08";
    expect(reader.type(more)).toMatch(
      /^map dir: \/sys\/fs\/bpf\/left\nredirect from ifnum=\d+ to ifnum=\d+\nforward: 02:00:00:00:00:07 -> 02:00:00:00:00:08\n$/,
    );
    pings(1, both);
  });

  test("assignment 4: three labs reach each other through the router, by ping and by TCP, and the outside through the stack", async () => {
    const commands = commandsIn(blocks.route);
    const watching = commands.filter((line) => line.includes("xdp_stats"));
    const labs = ["uno", "dos", "tres"] as const;
    for (const line of commands) if (!watching.includes(line)) reader.type(line);
    const places = new Map(labs.map((lab) => [lab as string, labState(lab)]));
    const routes = labs.flatMap((from) => labs.filter((to) => to !== from).map((to) => [from, to] as const));
    const addresses = routes.flatMap(([from, to]) =>
      [places.get(to)?.ip4, places.get(to)?.ip6].map((each) => [from, `${each}`] as const),
    );
    pings(2, addresses);
    const counted = [];
    for (const line of watching) counted.push(await statsOf(line));
    const redirected = counted.reduce((sum, each) => sum + (each.XDP_REDIRECT?.packets ?? 0), 0);
    // Requests one way, replies the other.
    expect(redirected).toBe(2 * 2 * addresses.length);
    expect(counted.map((each) => [each.XDP_DROP?.packets, each.XDP_ABORTED?.packets])).toEqual(watching.map(() => [0, 0]));

    for (const [from, to] of [
      ["uno", "dos"],
      ["tres", "uno"],
    ] as const) {
      for (const address of [places.get(to)?.ip4, places.get(to)?.ip6]) expect(tcp(from, to, address)).toBe("64000 bytes");
    }
    const before = (await statsOf(watching[0] ?? "")).XDP_PASS?.packets ?? 0;
    const outside = (address: string) => address.replace(/2$/, "1");
    pings(2, [
      ["uno", outside(places.get("uno")?.ip4 ?? "")],
      ["uno", outside(places.get("uno")?.ip6 ?? "")],
    ]);
    expect((await statsOf(watching[0] ?? "")).XDP_PASS?.packets).toBeGreaterThanOrEqual(before + 4);
  });

  /** What a server in one lab receives from a client in another. */
  function tcp(from: string, to: string, address: string): string {
    const server = `require("net").createServer((s) => { let n = 0; s.on("data", (d) => { n += d.length; }).on("end", () => {
      console.log(n + " bytes"); process.exit(); }); }).listen(7777, "::", () => require("fs").writeFileSync("ready", ""))`;
    const client = `require("net").connect(7777, "${address}").end("x".repeat(64000))`;
    return reader
      .type(`rm -f ready
        ip netns exec ${to} ${process.execPath} -e '${server}' & server=$!
        until [ -e ready ]; do kill -0 $server || exit 1; done
        ip netns exec ${from} timeout 10 ${process.execPath} -e '${client}' || kill $server
        wait $server`)
      .trim();
  }

  test.skipIf(!hasTool("tshark"))(
    `on the way out a hop is taken off, and tshark finds the checksums right${needs("tshark")}`,
    async () => {
      const { ip4 } = labState("tres");
      const fields = "-T fields -e ip.ttl -e ip.checksum.status -e icmp.checksum.status";
      const capture = reader.start(
        `t exec -n tres -- tshark -l -i veth0 -f 'icmp[0] == 8' -o ip.check_checksum:TRUE ${fields}`,
      );
      await capture.prints(/Capturing on/);
      // tshark listens a moment after it says so: the pings go on until one is seen.
      const pinging = reader.start(`ip netns exec uno ping -i 0.1 ${ip4}`);
      await capture.prints(/^\d+\t/m);
      await pinging.interrupt();
      const output = capture.output;
      await capture.interrupt();
      // 1 stands for "good".
      expect(output).toMatch(/^63\t1\t1$/m);
    },
  );
});
