/** The lessons' tools called wrongly, or in situations that go wrong: what they say, with which status, and that nothing has changed. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, Sandbox, titled } from "../cli/sandbox.ts";
import { Reader } from "./reader.ts";

describe.skipIf(cannotRun !== null)(titled("the tools of packet03"), () => {
  let box: Sandbox;
  let reader: Reader;
  const dev = "wire";

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth(dev);
    reader = new Reader(box, "packet03");
    reader.type("make");
  });
  afterAll(async () => {
    await reader?.close();
    box?.[Symbol.dispose]();
  });

  const programOn = (device: string) =>
    /prog\/xdp id \d+ name (\w+)/.exec(box.output("ip", "link", "show", device))?.[1] ?? null;
  const pins = (directory: string) => box.run("ls", [directory]).stdout.split("\n").filter(Boolean);

  test.each([
    ["./xdp_loader", 2, "ERR: required option --dev missing\n\nUsage: ./xdp_loader [options]\n\nDOCUMENTATION:"],
    ["./xdp_loader -F", 2, "ERR: required option --dev missing\n\nUsage: ./xdp_loader [options]\n"],
    ["./xdp_loader -d sixteen-letters-", 2, "ERR: --dev name too long\n"],
    ["./xdp_loader -d nowhere", 2, "ERR: --dev name unknown err(19):No such device\n"],
    ["./xdp_loader --nonsense", 2, "./xdp_loader: unrecognized option '--nonsense'\n"],
    [`./xdp_loader -d ${dev} --filename none.o`, 40, "ERR: loading file: none.o\n"],
    [`./xdp_loader -d ${dev} --filename README.md`, 40, "ERR: loading file: README.md\n"],
    [`./xdp_loader -d ${dev} --progsec nothing`, 40, "ERR: couldn't find a program in ELF section 'nothing'\n"],
    [
      `./xdp_loader -d ${dev} -M --progsec xdp_icmp_echo`,
      40,
      `ERR: reusing maps: /sys/fs/bpf/${dev}/xdp_stats_map is not pinned\n`,
    ],
    ["./xdp_stats -d nowhere", 2, "ERR: --dev name unknown err(19):No such device\n"],
    [
      `./xdp_stats -d ${dev}`,
      40,
      `WARN: Failed to open bpf map file:/sys/fs/bpf/${dev}/xdp_stats_map err(2):No such file or directory\n`,
    ],
    [
      `./xdp_prog_user -d ${dev}`,
      40,
      `WARN: Failed to open bpf map file:/sys/fs/bpf/${dev}/router_port err(2):No such file or directory\n`,
    ],
    [`./xdp_prog_user -d ${dev} -r lo -L 02:0:0:0:0:1 -R 02:00:00:00:00:02`, 2, "ERR: can't parse mac address 02:0:0:0:0:1\n"],
    [`./xdp_prog_user -d ${dev} -r nowhere -L 02:00:00:00:00:01 -R 02:00:00:00:00:02`, 2, "ERR: --redirect-dev name unknown"],
    [`./xdp_prog_user -d ${dev} -r lo`, 2, "ERR: --redirect-dev, --src-mac and --dest-mac go together\n"],
    ["./xdp-loader frobnicate", 1, "Command 'frobnicate' is unknown, try 'xdp-loader help'.\n"],
    ["./xdp-loader load", 1, "load takes a device and a file.\n"],
    [`./xdp-loader load -s a -n b ${dev} xdp_prog_kern.o`, 1, "Only one of --section or --prog-name can be set\n"],
    [`./xdp-loader load ${dev} none.o`, 1, "Couldn't open file 'none.o'\n"],
    [`./xdp-loader load -n nothing ${dev} xdp_prog_kern.o`, 1, 'xdp_prog_kern.o has no program "nothing".\n'],
    [`./xdp-loader unload --all ${dev}`, 1, `No XDP program loaded on ${dev}\n`],
    ["./xdp-loader load nowhere xdp_prog_kern.o", 1, 'There is no network device "nowhere".\n'],
    ["./xdp-loader unload --all nowhere", 1, 'There is no network device "nowhere".\n'],
    ["./xdp-loader features", 1, "features takes a device.\n"],
    ["./xdp-loader features nowhere", 1, 'There is no network device "nowhere".\n'],
    ["./xdp-loader clean nowhere", 1, 'There is no network device "nowhere".\n'],
    ["./trace_load_and_stats -x", 2, "./trace_load_and_stats: "],
    ["./xdp-loader status nowhere", 1, 'There is no network device "nowhere".\n'],
    ["t redirect", 2, "error: redirect needs two labs.\n"],
    ["t redirect one two", 13, "error: Environment for one doesn't seem to exist\n"],
    ["./wirescript tutorial new nothing", 2, 'error: There is no tutorial "nothing".\n'],
    ["./wirescript tutorial frobnicate", 2, "error: There is no `tutorial frobnicate`.\n"],
    ["./wirescript tutorial run constructor", 2, 'error: There is no tool "constructor".\n'],
    ["./wirescript tutorial new packet03 .", 2, " is not empty, and was left as it is.\n"],
  ])("%s: status %d", (line, status, said) => {
    const outcome = reader.try(line);
    expect({ status: outcome.status, said: outcome.stderr }).toEqual({ status, said: expect.stringContaining(said) });
    expect(outcome.stderr).toMatch(/^ {2}(why|fix): /m);
    expect(programOn(dev)).toBeNull();
    expect(pins(`/sys/fs/bpf/${dev}`)).toEqual([]);
  });

  test.each(["./xdp_loader --help", "./xdp_stats -h", "./xdp_prog_user --help", "./xdp-loader help", "t --help"])(
    "%s",
    (line) => {
      expect(reader.try(line)).toMatchObject({ status: 0, stderr: "", stdout: expect.stringContaining("Usage: ") });
    },
  );

  test("./xdp-loader features says what the driver can do, a line each", () => {
    const lines = reader.type(`./xdp-loader features ${dev}`).trimEnd().split("\n");
    expect(lines).toHaveLength(7);
    expect(lines[0]).toBe("NETDEV_XDP_ACT_BASIC:\t\tyes");
    for (const line of lines) expect(line).toMatch(/^NETDEV_XDP_ACT_[A-Z_]+:\t+(yes|no)$/);
    expect(lines).toContain("NETDEV_XDP_ACT_HW_OFFLOAD:\tno");
  });

  test("./xdp-loader clean removes what libxdp left for dispatchers that are gone, and nothing else", () => {
    const left = "/sys/fs/bpf/xdp-clean/dispatch-2147483000-1";
    reader.type(`./wirescript load ${dev} echo.bpf.ts && ./wirescript pin prog echo ${left}/prog0-prog`);
    const kept = pins(`/sys/fs/bpf/${dev}`);
    expect(reader.type(`./xdp-loader clean ${dev}`)).toBe(`Cleaning up detached XDP program links for ${dev}\n`);
    expect(reader.type("./xdp-loader clean")).toBe(
      `Cleaning up detached XDP program links for all interfaces\nRemoved ${left}: its dispatcher is on no device here.\n`,
    );
    expect(pins("/sys/fs/bpf/xdp-clean")).toEqual([]);
    expect(pins(`/sys/fs/bpf/${dev}`)).toEqual(kept);
    reader.type(`./wirescript unload ${dev} && rmdir /sys/fs/bpf/xdp-clean`);
  });

  test("./trace_load_and_stats shows redirects that went well, those that failed with their errno, and what was aborted", async () => {
    box.addVeth("near");
    box.addVeth("away");
    box.output("ip", "address", "add", "192.0.2.1/24", "dev", "nearp");
    const index = /^(\d+):/.exec(box.output("ip", "-o", "link", "show", "dev", "away"))?.[1];
    reader.type(`./wirescript load near redirect.bpf.ts --set ifindex=${index} --set dest_mac=02:00:00:00:00:07`);
    const tool = reader.start("./trace_load_and_stats");
    await tool.prints(
      /^XDP-event {7}CPU:to {2}pps {10}drop-pps {5}extra-info\nXDP_REDIRECT {4}total {3}0 {12}0 {12}Success\n/m,
    );
    const pinging = reader.start("ping -i 0.2 192.0.2.9");
    await tool.prints(/^XDP_REDIRECT {4}total {3}0 {12}[1-9]\d* {11,}Error E[A-Z]+$/m);
    await pinging.interrupt();
    expect(await tool.interrupt()).not.toContain("why:");
    reader.type("./wirescript unload near && ip link del near && ip link del away");
  });

  test("a workspace where nobody may write says so", () => {
    const place = `${box.directory}/readonly`;
    reader.type(`mkdir ${place} && chmod 0555 ${place}`);
    const refused = box.unprivileged("tutorial", "new", "packet03", `${place}/new`);
    expect(refused.stderr).toBe(
      `error: The workspace ${place}/new was not made.\n  why: You may not write to ${place}.\n  fix: Name a directory somewhere else: wirescript tutorial new NAME DIR. Or make it as somebody who may, such as root.\n`,
    );
    expect(refused.status).toBe(9);
  });

  test("what is advised is the workspace's own", () => {
    reader.type("mv xdp_prog_kern.o away.o");
    for (const line of [`./xdp_loader -d ${dev}`, `./xdp-loader load ${dev} xdp_prog_kern.o`])
      expect(reader.try(line).stderr).toMatch(/\n {2}fix: Build it first: make\n$/);
    reader.type("mv away.o xdp_prog_kern.o");
    expect(reader.try(`./xdp_stats -d ${dev}`).stderr).toContain(
      `fix: Load a program that counts, which pins its map there: ./xdp_loader -d ${dev} --progsec SECTION\n`,
    );
  });

  test("launchers work from wherever they are called", () => {
    for (const [line, folder] of [
      ["sh xdp_loader --help", "."],
      ["PATH=.:$PATH xdp_loader --help", "."],
      ['"$(pwd)/xdp_loader" --help', "."],
      ["packet03/xdp_loader --help", ".."],
    ] as const) {
      expect(reader.type(line, folder)).toContain("Usage: ");
    }
  });

  test("the lessons are listed, for people and for programs", () => {
    const listed = JSON.parse(reader.type("./wirescript tutorial list --json")) as { name: string; title: string }[];
    expect(listed.map(({ name }) => name)).toEqual(["packet03", "xdp-redirect", "csur", "case03"]);
    expect(reader.type("./wirescript tutorial list")).toBe(
      listed.map(({ name, title }) => `${name.padEnd(12)}  ${title}\n`).join(""),
    );
  });

  test("./xdp_loader keeps what is there unless it is told otherwise, and when it fails", () => {
    expect(reader.type(`./xdp_loader -d ${dev} --progsec xdp_icmp_echo`)).toMatch(
      new RegExp(
        "^Success: Loaded BPF-object\\(xdp_prog_kern\\.o\\) and used section\\(xdp_icmp_echo\\)\n" +
          ` - XDP prog attached on device:${dev}\\(ifindex:\\d+\\)\n - Pinning maps in /sys/fs/bpf/${dev}/\n$`,
      ),
    );
    const map = box.output("bpftool", "map", "show", "pinned", `/sys/fs/bpf/${dev}/xdp_stats_map`);
    const refused = reader.try(`./xdp_loader -d ${dev} --progsec xdp_router`);
    expect(refused).toMatchObject({ status: 30, stdout: "" });
    expect(refused.stderr).toMatch(
      /^ERR: ifindex\(\d+\) link set xdp fd failed \(16\): Device or resource busy\nHint: XDP already loaded on device use --force/,
    );
    expect(programOn(dev)).toBe("xdp_icmp_echo_f");
    expect(box.output("bpftool", "map", "show", "pinned", `/sys/fs/bpf/${dev}/xdp_stats_map`)).toBe(map);
    expect(pins(`/sys/fs/bpf/${dev}`)).toEqual(["xdp_stats_map"]);
  });

  test("./xdp_stats -q shows the rows alone, and ends by Ctrl-C without a word", async () => {
    const output = await reader.watch(`./xdp_stats -q -d ${dev}`, /^XDP_REDIRECT .*\n/m);
    expect(output).toMatch(/^XDP-action {2}\n(XDP_\w+ .*\n){5}\n$/);
  });

  test("-F replaces the program and its pins, -M takes the maps that are there", () => {
    const idOf = () => /^(\d+):/.exec(box.output("bpftool", "map", "show", "pinned", `/sys/fs/bpf/${dev}/xdp_stats_map`))?.[1];
    const first = idOf();
    expect(reader.type(`./xdp_loader -d ${dev} -F --progsec xdp_router`)).toContain(
      ` - Unpinning (remove) prev maps in /sys/fs/bpf/${dev}/\n - Pinning maps in /sys/fs/bpf/${dev}/\n`,
    );
    expect(idOf()).not.toBe(first);
    expect(pins(`/sys/fs/bpf/${dev}`)).toEqual(["fib_results", "router_port", "xdp_stats_map"]);
    const second = idOf();
    expect(reader.type(`./xdp_loader -d ${dev} -F -M -q --progsec xdp_router`)).toBe("");
    expect(idOf()).toBe(second);
    expect(reader.type(`./xdp_prog_user -d ${dev}`)).toBe(
      `map dir: /sys/fs/bpf/${dev}\nports: 2, each device under its own number\n`,
    );
    reader.type(`./xdp_loader -d ${dev} -F --progsec xdp_pass`);
    expect(programOn(dev)).toBe("xdp_pass_func");
    expect(pins(`/sys/fs/bpf/${dev}`)).toEqual([]);
  });

  test("-U tells the truth about both modes, and takes the pins along", () => {
    expect(reader.type(`./xdp_loader -d ${dev} -U`)).toMatch(
      /^INFO: xdp_link_detach\(\) removed XDP prog ID:\d+ on ifindex:\d+\n$/,
    );
    expect(reader.type(`./xdp_loader -d ${dev} -U`)).toMatch(/^INFO: xdp_link_detach\(\) no curr XDP prog on ifindex:\d+\n$/);
    reader.type(`./xdp_loader -d ${dev} -S --progsec xdp_icmp_echo`);
    expect(box.output("ip", "link", "show", dev)).toContain("xdpgeneric");
    expect(reader.type(`./xdp_loader -d ${dev} -U -N`)).toMatch(
      /no curr XDP prog.*\nHint: XDP prog ID:\d+ is attached in skb mode\n$/,
    );
    expect(programOn(dev)).toBe("xdp_icmp_echo_f");
    expect(reader.type(`./xdp_loader -d ${dev} --unload`)).toContain(` - Unpinning (remove) maps in /sys/fs/bpf/${dev}/\n`);
    expect(programOn(dev)).toBeNull();
    expect(pins(`/sys/fs/bpf/${dev}`)).toEqual([]);
  });

  test("./xdp-loader is silent, replaces an earlier version of the same program, and refuses to push out another", () => {
    expect(reader.type(`./xdp-loader load -n xdp_pass_func ${dev} xdp_prog_kern.o`)).toBe("");
    expect(reader.type(`./xdp-loader load -n xdp_pass_func ${dev} xdp_prog_kern.o`)).toBe("");
    expect(reader.try(`./xdp-loader load -n xdp_router_func ${dev} xdp_prog_kern.o`)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`Couldn't attach XDP program on iface '${dev}': Device or resource busy(-16)\n`),
    });
    const id = /prog\/xdp id (\d+)/.exec(box.output("ip", "link", "show", dev))?.[1];
    expect(reader.type("./xdp-loader status")).toMatch(new RegExp(`^${dev} +xdp_pass_func +native +${id} +[0-9a-f]{16}$`, "m"));
    expect(reader.type("./xdp-loader stat lo")).toMatch(/^lo +<No XDP program loaded!>$/m);
    expect(reader.try(`./xdp-loader unload ${dev}`)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("Need prog ID or --all\n"),
    });
    expect(reader.try(`./xdp-loader unload -i 1 ${dev}`).stderr).toContain(`Program with ID 1 not loaded on ${dev}\n`);
    expect(reader.type(`./xdp-loader unload -i ${id} ${dev}`)).toBe("");
    expect(programOn(dev)).toBeNull();
    expect(reader.type(`./xdp-loader load -m skb -p /sys/fs/bpf/${dev} -s xdp_icmp_echo ${dev} xdp_prog_kern.o`)).toBe("");
    expect(pins(`/sys/fs/bpf/${dev}`)).toContain("xdp_stats_map");
    expect(reader.type(`./xdp-loader unload --all ${dev}`)).toBe("");
  });
});
