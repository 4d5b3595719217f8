/** The five XDP cases of the TFG, followed: case 03 by its README's blocks, its siblings by what their READMEs promise. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, needs, Sandbox } from "../cli/sandbox.ts";
import { CASE03, LEFT_OUT } from "./documents/case03.ts";
import { lastCounters, Reader } from "./reader.ts";

const reason = cannotRun ?? ["make", "ping", "tcpdump", "sysctl", "tc"].map(needs).find((text) => text !== "") ?? null;

describe.skipIf(reason !== null)(`case03${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  let box: Sandbox;
  let reader: Reader;

  beforeAll(() => {
    box = new Sandbox();
    reader = new Reader(box, "case03");
    reader.type("make");
  });
  afterAll(async () => {
    await reader?.close();
    box?.[Symbol.dispose]();
  });

  const { install, clean, ping, stats } = CASE03;
  /** Two answers are enough, or none within half a second. */
  const pinged = (line: string) => / ([012]) received/.exec(reader.try(`${line} -c 2 -i 0.01 -W 0.5`).stdout)?.[1];
  const statsOf = async (line: string, folder: string) => lastCounters(await reader.watch(line, /^XDP_REDIRECT .*\n/m, folder));
  const macOf = (command: string) => /link\/ether (\S+)/.exec(reader.type(command))?.[1] ?? "";

  test("every block of the document is followed, or left out for a reason", () => {
    expect(Object.keys(CASE03)).toHaveLength(6);
    expect(Object.values(LEFT_OUT).every((why) => why.length > 0)).toBe(true);
  });

  test("case 01: pings stop, and XDP_DROP grows", async () => {
    expect(reader.type(install, "case01")).toBe("Levantando escenario...\nCompletado :)\n");
    expect(pinged(ping)).toBe("2");
    expect(reader.type("sudo ./xdp_loader -d uno -F --progsec xdp_case01", "case01")).toContain("used section(xdp_case01)");
    expect(pinged(ping)).toBe("0");
    expect((await statsOf(stats, "case01")).XDP_DROP?.packets).toBeGreaterThanOrEqual(2);
    expect(reader.try(clean, "case01")).toMatchObject({
      status: 0,
      stdout: "Completado :)\n",
      stderr: "Limpiando el escenario...\n",
    });
  });

  test("case 02: everything passes, loaded inside of the namespace", () => {
    reader.type(install, "case02");
    reader.type("sudo ip netns exec uno ./xdp_loader -d veth0 -F --progsec xdp_case02", "case02");
    expect(pinged("ping 10.0.0.2")).toBe("2");
    reader.type(clean, "case02");
  });

  test("case 03: pings are answered by the program, and XDP_TX counts them", async () => {
    reader.type(CASE03.make, "case03");
    reader.type(install, "case03");
    for (const line of CASE03.load) expect(reader.type(line, "case03")).toContain("Success: Loaded BPF-object(prog_kern.o)");
    expect(pinged(ping)).toBe("2");
    const counters = await statsOf(stats, "case03");
    expect([counters.XDP_TX?.packets, counters.XDP_PASS?.packets]).toEqual([2, expect.any(Number)]);
    reader.type(clean, "case03");
    expect(reader.type("ip netns list; ls /sys/fs/bpf")).not.toContain("uno");
  });

  test("case 04: forwarded to one place, by maps, and by the routing table", async () => {
    const folder = "case04";
    reader.type(install, folder);
    for (const lab of ["uno", "dos"])
      reader.type(`sudo ip netns exec ${lab} ./xdp_loader -d veth0 -F --progsec xdp_pass`, folder);
    const [inUno, inDos] = ["uno", "dos"].map((lab) => macOf(`ip -n ${lab} link show veth0`));
    const redirected = async (dev: string) => (await statsOf(`sudo ./xdp_stats -d ${dev}`, folder)).XDP_REDIRECT?.packets ?? 0;

    // One way: what dos sends is seen in uno.
    const ifindex = /^(\d+):/.exec(reader.type("ip link show uno"))?.[1];
    const bytes = (inUno ?? "").replaceAll(/(..):?/g, "0x$1, ").slice(0, -2);
    reader.edit("case04/redirect.bpf.ts", "const ifindex = setting(u32, 0)", `const ifindex = setting(u32, ${ifindex})`);
    reader.edit(
      "case04/redirect.bpf.ts",
      "const dest_mac = setting(mac, mac())",
      `const dest_mac = setting(mac, mac(${bytes}))`,
    );
    reader.type("make", folder);
    reader.type("sudo ./xdp_loader -d dos -F --progsec xdp_case04", folder);
    const listening = reader.start("ip netns exec uno tcpdump -l -n");
    await listening.prints(/listening on/);
    const pinging = reader.start("ip netns exec dos ping -i 0.2 10.0.0.2");
    await listening.prints(/10\.0\.0\.4 > 10\.0\.0\.2: ICMP echo request/);
    await pinging.interrupt();
    await listening.interrupt();
    expect(await redirected("dos")).toBeGreaterThan(0);

    // Two ways, by maps.
    for (const dev of ["uno", "dos"]) reader.type(`sudo ./xdp_loader -d ${dev} -F --progsec xdp_case04_map`, folder);
    reader.type(`sudo ./prog_user -d uno -r dos --src-mac ${inUno} --dest-mac ${inDos}`, folder);
    reader.type(`sudo ./prog_user -d dos -r uno --src-mac ${inDos} --dest-mac ${inUno}`, folder);
    expect(pinged("ip netns exec uno ping 10.0.0.4")).toBe("2");
    // What the hosts say by themselves is redirected, too.
    for (const dev of ["uno", "dos"]) expect(await redirected(dev)).toBeGreaterThanOrEqual(2);

    // By the routing table, with the script's addresses.
    reader.type("sudo sysctl net.ipv4.conf.all.forwarding=1");
    for (const dev of ["uno", "dos"]) {
      reader.type(`sudo ./xdp_loader -d ${dev} -F --progsec xdp_case04_fib`, folder);
      reader.type(`sudo ./prog_user -d ${dev}`, folder);
    }
    expect(pinged("ip netns exec uno ping 10.0.0.4")).toBe("2");
    expect(pinged("ip netns exec dos ping 10.0.0.2")).toBe("2");
    expect([await redirected("uno"), await redirected("dos")]).toEqual([4, 4]);
    expect(pinged("ping 10.0.0.4")).toBe("2");
    reader.type(clean, folder);
  });

  test("case 05: what one says all hear, and answers come back", async () => {
    const folder = "case05";
    reader.type(install, folder);
    expect(pinged("ping 10.0.0.2")).toBe("0");
    expect(reader.type("./tc_broadcast -n switch uno dos switch", folder)).toContain("are a hub now");
    const ears = ["uno", "dos"].map((host) => reader.start(`ip netns exec ${host} tcpdump -l -n arp`));
    for (const ear of ears) await ear.prints(/listening on/);
    // The kernel still asks for what was pinged in vain, and may have had its answer from the hub already.
    reader.type("ip neighbour flush to 10.0.0.2");
    const pinging = reader.start("ping -i 0.2 10.0.0.2");
    await pinging.prints(/icmp_seq=\d+ ttl=64/);
    for (const ear of ears) await ear.prints(/ARP, Request who-has 10\.0\.0\.2/);
    await pinging.interrupt();
    for (const ear of ears) await ear.interrupt();
    expect([pinged("ping 10.0.0.3"), pinged("ip netns exec uno ping 10.0.0.3")]).toEqual(["2", "2"]);
    expect(reader.type("ip netns exec switch tc filter show dev uno ingress")).toMatch(/broadcast/);
    reader.type("./tc_broadcast -n switch --off uno dos switch", folder);
    expect(pinged("ping 10.0.0.3")).toBe("0");
    expect(reader.try("./tc_broadcast -n switch --off uno dos switch", folder)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("nothing was removed"),
    });
    reader.type(clean, folder);
  });

  test("the scenario's script called wrongly, twice, and beside something of the same name", () => {
    const failing = (line: string, folder = "case03") => {
      const { status, stderr } = reader.try(line, folder);
      expect(stderr).toMatch(/^ {2}(why|fix): /m);
      const said = stderr.split("\n").flatMap((text) => text.replace(/^ {2}why: /, "") || []);
      expect(new Set(said).size).toBe(said.length);
      return { status, first: stderr.replace("Limpiando el escenario...\n", "").split("\n")[0] };
    };
    expect(failing("./runenv.sh")).toEqual({ status: 1, first: "Uso: ./runenv.sh [-i | -c | -h]" });
    expect(failing("./runenv.sh -x").status).toBe(1);
    expect(reader.type("./runenv.sh -h", "case03")).toContain("Uso: ");
    expect(failing(clean)).toEqual({ status: 1, first: "No hay escenario que limpiar." });
    reader.type(install, "case03");
    expect(failing(install)).toEqual({ status: 1, first: 'There is a network namespace "uno" already.' });
    // Case 04 shares a name with it, and leaves nothing when it stops.
    expect(failing(install, "case04").status).toBe(1);
    expect(reader.type("ip netns list")).not.toContain("dos");
    reader.type(clean, "case03");
    // A device of that name that is somebody else's.
    box.addVeth("uno");
    expect(failing(install)).toEqual({ status: 1, first: 'There is a network device "uno" already.' });
    expect(failing(clean)).toEqual({ status: 1, first: 'The device "uno" was not taken away.' });
    expect(reader.type("ip netns list; ip -br link show uno")).toMatch(/^uno/);
    // A namespace of that name that is somebody else's.
    reader.type("ip netns add switch && ip -n switch link add veth0 type veth peer name other");
    expect(failing(clean, "case05")).toEqual({ status: 1, first: 'The network namespace "switch" was not taken away.' });
    expect(reader.type("ip -n switch -br link; ip netns del switch")).toMatch(/^veth0/m);
    expect(failing("./tc_broadcast uno", "case05").status).toBe(2);
    expect(reader.try("./tc_broadcast uno nowhere", "case05").status).toBe(5);
  });
});
