/** `wirescript load`, `status`, `stats` and `unload` on a real device, and other people's tools looking at the result and removing it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { compileC } from "../compile-c.ts";
import { cannotRun, DROP, ECHO, needs, PASS, Sandbox, titled } from "./sandbox.ts";

describe.skipIf(cannotRun !== null)(titled("the command on a device"), () => {
  let box: Sandbox;
  let dev: string;
  let count = 0;

  beforeAll(() => {
    box = new Sandbox();
  });
  afterAll(() => box[Symbol.dispose]());
  beforeEach(() => {
    dev = `c${process.pid.toString(36)}${count++}`;
    box.addVeth(dev);
  });

  const xdpOf = (name: string) => JSON.parse(box.output("ip", "-json", "-details", "link", "show", "dev", name))[0].xdp;

  test("mounts a BPF file system when there is none, says so, and uses it the next time", () => {
    while (box.run("umount", ["/sys/fs/bpf"]).status === 0);
    expect(box.wirescript("load", dev, ECHO).stdout).toContain("mounted   the BPF file system at /sys/fs/bpf");
    box.wirescript("unload", dev);
    const again = box.wirescript("load", dev, ECHO);
    expect(again.status).toBe(0);
    expect(again.stdout).not.toContain("mounted");
  });

  test("ip sees the program in native mode, and removes it", () => {
    const { status, stdout } = box.wirescript("load", dev, ECHO);
    expect(status).toBe(0);
    expect(stdout).toContain(`Attached echo to ${dev} in native mode.`);
    expect(stdout).toContain(`pinned    /sys/fs/bpf/${dev}/xdp_stats_map`);
    const { mode, prog } = xdpOf(dev);
    // XDP_ATTACHED_DRV of linux/if_link.h.
    expect(mode).toBe(1);
    expect(stdout).toContain(`id ${prog.id}, tag ${prog.tag}`);
    box.output("ip", "link", "set", "dev", dev, "xdp", "off");
    const unloaded = box.wirescript("unload", dev);
    expect(unloaded.status).toBe(15);
    expect(unloaded.stderr).toContain(`rm -r /sys/fs/bpf/${dev}`);
  });

  test("skb mode, as asked for and as what auto comes to", () => {
    expect(box.wirescript("load", "--mode", "skb", dev, ECHO).stdout).toContain("in skb mode");
    // XDP_ATTACHED_SKB
    expect(xdpOf(dev).mode).toBe(2);
    box.output("ip", "link", "set", "dev", dev, "xdpgeneric", "off");
    const auto = box.wirescript("load", "--mode", "auto", "lo", ECHO);
    expect(auto.stdout).toContain("Attached echo to lo in skb mode.");
    expect(auto.stdout).toContain("because native was refused");
    expect(box.wirescript("unload", "lo").stdout).toMatch(/^Removed "echo" \(id \d+\) from lo: skb mode\.$/m);
  });

  test.skipIf(needs("xdp-loader") !== "")(`xdp-loader sees the program and removes it${needs("xdp-loader")}`, () => {
    box.wirescript("load", dev, ECHO);
    const { prog } = xdpOf(dev);
    const row = box
      .output("xdp-loader", "status", dev)
      .split("\n")
      .find((line) => line.startsWith(dev));
    expect(row?.split(/\s+/).slice(0, 5)).toEqual([dev, "echo", "native", `${prog.id}`, prog.tag]);
    box.output("xdp-loader", "unload", dev, "--all");
    expect(xdpOf(dev)).toBeUndefined();
  });

  test("replaces at once with --force, and keeps the counters when asked to", () => {
    box.wirescript("load", dev, PASS);
    const first = xdpOf(dev).prog.id;
    const busy = box.wirescript("load", dev, DROP);
    expect(busy.status).toBe(7);
    expect(xdpOf(dev).prog.id).toBe(first);
    const forced = box.wirescript("load", "--force", dev, DROP);
    expect(forced.stdout).toContain(`replaced  pass (id ${first}, native mode), at once`);
    expect(forced.stdout).toContain("used again, with its contents");
    expect(box.wirescript("unload", "--keep-pins", dev).stdout).not.toContain("Unpinned");
    expect(box.wirescript("load", dev, PASS).stdout).toContain("used again");
    const unloaded = box.wirescript("unload", dev).stdout;
    expect(unloaded).toContain(`Unpinned /sys/fs/bpf/${dev}/xdp_stats_map.`);
    expect(unloaded).toContain(`Removed the empty directory /sys/fs/bpf/${dev}.`);
  });

  test("pins the maps of the program that is loaded, not of others in the file: unloading leaves nothing behind", () => {
    const file = join(box.directory, "two.bpf.ts");
    writeFileSync(
      file,
      `import { array, u64, XDP_PASS, xdp } from "wirescript/kernel";
      export const mine = array({ value: u64, entries: 1, pinned: true });
      export const others = array({ value: u64, entries: 1, pinned: true });
      export const second = xdp(() => { const n = others.lookup(0); if (n) n.value++; return XDP_PASS; });
      export const first = xdp(() => { const n = mine.lookup(0); if (n) n.value++; return XDP_PASS; });`,
    );
    const loaded = box.wirescript("load", "--prog", "first", dev, file).stdout;
    expect(loaded).toContain(`/sys/fs/bpf/${dev}/mine`);
    expect(loaded).not.toContain("others");
    expect(box.wirescript("unload", dev).stdout).toContain(`Removed the empty directory /sys/fs/bpf/${dev}.`);
  });

  test.skipIf(needs("clang-19") !== "")(
    `says that a map is used again also where tc shares it among programs${needs("clang-19")}`,
    () => {
      const object = compileC("test/objects/c/iproute2.c");
      const load = (on: string) => box.wirescript("load", on, object, "--ingress").stdout;
      const pinned = /^ {2}pinned {4}(\/sys\/fs\/bpf\/tc\/\w+\/own)$/m.exec(load(dev))?.[1] ?? "";
      expect(pinned).not.toBe("");
      expect(load(`${dev}p`)).toContain(`pinned    ${pinned} (it was there: used again, with its contents)`);
      for (const each of [dev, `${dev}p`]) expect(box.wirescript("unload", each, "--tc").stdout).toContain(`Left ${pinned}, `);
      expect(box.wirescript("unpin", pinned).status).toBe(0);
    },
  );

  test("unload removes only the mode that it is told to", () => {
    box.wirescript("load", dev, PASS);
    const wrong = box.wirescript("unload", "--mode", "skb", dev);
    expect(wrong.status).toBe(15);
    expect(wrong.stderr).toContain(`"pass" (id ${xdpOf(dev).prog.id}) is attached there in native mode.`);
    expect(box.wirescript("unload", "--mode", "native", dev).status).toBe(0);
    expect(xdpOf(dev)).toBeUndefined();
  });

  test("status lists devices, programs and pinned maps", () => {
    box.wirescript("load", dev, ECHO);
    const { prog } = xdpOf(dev);
    const row = box
      .wirescript("status")
      .stdout.split("\n")
      .find((line) => line.startsWith(`${dev} `));
    expect(row).toMatch(
      new RegExp(`^${dev} +xdp native +echo +${prog.id} +${prog.tag} +\\d+ s +the device +/sys/fs/bpf/${dev}/xdp_stats_map$`),
    );
    const [device] = JSON.parse(box.wirescript("status", dev, "--json").stdout);
    expect(device).toMatchObject({
      dev,
      programs: [{ mode: "native", name: "echo", id: prog.id, tag: prog.tag, linkId: null }],
    });
    expect(device.programs[0].maps).toEqual([
      { id: expect.any(Number), name: "xdp_stats_map", pins: [`/sys/fs/bpf/${dev}/xdp_stats_map`] },
    ]);
  });

  test.skipIf(needs("bpftool") !== "")(
    `bpftool reads the pinned map, typed, and shows TypeScript lines${needs("bpftool")}`,
    () => {
      box.wirescript("load", dev, ECHO);
      const dump = JSON.parse(box.output("bpftool", "-j", "map", "dump", "pinned", `/sys/fs/bpf/${dev}/xdp_stats_map`));
      expect(dump).toHaveLength(5);
      expect(dump[3].formatted.values[0].value).toEqual({ rx_packets: 0, rx_bytes: 0 });
      const lines = box.output("bpftool", "prog", "dump", "xlated", "id", `${xdpOf(dev).prog.id}`, "linum");
      expect(lines).toMatch(/; const source = ip\.src; \[file:.*echo\.bpf\.ts line_num:\d+ line_col:3\]/);
    },
  );

  test("stats prints the tutorial's rows, first after a quarter of a second", () => {
    box.wirescript("load", dev, DROP);
    const { status, stdout } = box.wirescript("stats", dev, "--interval", "0.1", "--count", "2");
    expect(status).toBe(0);
    const lines = stdout.split("\n");
    expect(lines[0]).toBe("");
    expect(lines[1]).toBe("Collecting stats from BPF map");
    expect(lines[2]).toMatch(
      /^ - BPF map \(bpf_map_type:6\) id:\d+ name:xdp_stats_map key_size:4 value_size:16 max_entries:5$/,
    );
    const block = lines.slice(3, 10);
    expect(block[0]).toBe("XDP-action  ");
    const row = /^(XDP_\w+) +([\d,]+) pkts \( *[\d,]+ pps\) +[\d,]+ Kbytes \( *[\d,]+ Mbits\/s\) period:\d+\.\d{6}$/;
    expect(block.slice(1, 6).map((line) => row.exec(line)?.[1])).toEqual([
      "XDP_ABORTED",
      "XDP_DROP",
      "XDP_PASS",
      "XDP_TX",
      "XDP_REDIRECT",
    ]);
    expect(block[1]).toHaveLength(
      "XDP_ABORTED            0 pkts (         0 pps)           0 Kbytes (     0 Mbits/s) period:0.250206".length,
    );
    expect(block[6]).toBe("");
    expect(lines[10]).toBe("XDP-action  ");
    const [json] = box.wirescript("stats", dev, "--count", "1", "--json").stdout.split("\n");
    const { actions } = JSON.parse(json ?? "");
    expect(actions.map(({ action }: { action: string }) => action)).toHaveLength(5);
    expect(actions[0].period).toBeGreaterThan(0.2);
    expect(actions[0]).toMatchObject({ action: "XDP_ABORTED", packets: 0, bytes: 0, pps: 0 });
  });

  test("stats notices that the map was replaced", async () => {
    box.wirescript("load", dev, DROP);
    const child = box.start("stats", dev, "--interval", "0.05");
    try {
      let seen = "";
      const sees = (text: string) =>
        new Promise<void>((resolve) => {
          const look = (chunk: unknown) => {
            seen += chunk;
            if (!seen.includes(text)) return;
            child.stdout?.off("data", look);
            resolve();
          };
          child.stdout?.on("data", look);
        });
      await sees("XDP_REDIRECT");
      // A new map in one step: rename within the BPF file system.
      box.output("mkdir", "-p", `/sys/fs/bpf/${dev}-new`);
      box.wirescript("load", "--force", "--pin-path", `/sys/fs/bpf/${dev}-new`, dev, DROP);
      box.output("mv", "-f", `/sys/fs/bpf/${dev}-new/xdp_stats_map`, `/sys/fs/bpf/${dev}/xdp_stats_map`);
      await sees("BPF map xdp_stats_map changed its ID, restarting");
    } finally {
      child.kill("SIGINT");
    }
  });
});
