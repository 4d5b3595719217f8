/**
 * Names and numbers that mean nothing, and things that go while a command works with them: labs that do not exist, addresses that are none, devices that
 * are taken away. Each is said with what, why and fix, and nothing half-done stays.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ErrorCode, EXIT_STATUS } from "../../src/errors.ts";
import { cannotRun, ECHO, ended, type Outcome, printed, ROOT, Sandbox, titled } from "./sandbox.ts";

const REDIRECT = join(ROOT, "src/programs/redirect.bpf.ts");
const REDIRECT_MAP = join(ROOT, "src/programs/redirect-map.bpf.ts");

describe.skipIf(cannotRun !== null)(titled("names that mean nothing"), () => {
  let box: Sandbox;
  const unique = `n${process.pid.toString(36)}`;
  const dev = `${unique}d`;

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth(dev);
  });
  afterAll(() => box[Symbol.dispose]());

  /** The failure of a command, which has changed nothing. */
  function refused(code: ErrorCode, says: string | RegExp, run: () => Outcome): void {
    const before = box.state(unique);
    const { status, stderr } = run();
    expect(stderr).toMatch(says);
    expect(stderr).toMatch(/^error: .*\n {2}why: \S[\s\S]*\n {2}fix: \S/);
    expect(status).toBe(EXIT_STATUS[code]);
    expect(box.state(unique)).toEqual(before);
  }

  test.each<[verb: string, ...rest: string[]]>([
    ["teardown"],
    ["reset"],
    ["ping"],
    ["enter"],
    ["tcpdump"],
    ["stats"],
    ["unload"],
    ["status"],
    ["load", "--", ECHO],
    ["exec", "--", "true"],
    ["exec", "--host", "2", "--", "true"],
  ])("an unknown lab: %s", (verb, ...rest) => {
    refused("LAB", /Environment for nosuch doesn't seem to exist/, () =>
      box.wirescript("lab", verb, "--name", "nosuch", ...rest),
    );
  });

  test("an unknown lab, where others exist: they are named", () => {
    expect(box.wirescript("lab", "setup", "--name", unique).status).toBe(0);
    refused("LAB", unique, () => box.wirescript("lab", "ping", "--name", `${unique}x`));
    refused("LAB", "doesn't seem to exist", () => box.wirescript("lab", "redirect", unique, "nosuch"));
    expect(box.wirescript("lab", "teardown", "--name", unique).status).toBe(0);
    box.run("umount", ["/sys/fs/bpf"]);
    rmSync(join(box.directory, "xdp-tutorial-testlab"), { recursive: true, force: true });
  });

  test.each([
    ["dest_mac=nonsense", "USAGE"],
    ["dest_mac=02:00:00:00:00", "MAP"],
    ["dest_mac=02:00:00:00:00:0g", "USAGE"],
    ["dest_mac=", "USAGE"],
    ["ifindex=eth0x", "USAGE"],
    ["ifindex=-1", "MAP"],
    ["ifindex=4294967296", "MAP"],
    ["nosuch=1", "USAGE"],
    ["ifindex", "USAGE"],
  ] as const)("a setting that does not parse, or does not fit: %s", (setting, code) => {
    refused(code, setting.replace(/=.*/, ""), () => box.wirescript("load", dev, REDIRECT, "--set", setting));
  });

  test("keys and values of maps that do not parse", () => {
    expect(box.wirescript("load", dev, REDIRECT_MAP).status).toBe(0);
    const set = (...words: string[]) => box.wirescript("maps", "set", "redirect_params", ...words);
    refused("USAGE", "02:00:00:00:00:zz", () => set("02:00:00:00:00:zz", "02:00:00:00:00:01"));
    refused("USAGE", "02:00:00:00:00", () => set("02:00:00:00:00:01", "02:00:00:00:00"));
    refused("USAGE", "here", () => set("here", "there"));
    refused("NO_SUCH_DEVICE", "nosuch", () => box.wirescript("maps", "set", "tx_port", "0", "nosuch"));
    refused("MAP", "4711", () => box.wirescript("maps", "set", "tx_port", "4711", dev));
    expect(JSON.parse(box.wirescript("maps", "dump", "redirect_params", "--json").stdout)).toEqual([]);
    expect(box.wirescript("unload", dev).status).toBe(0);
    box.run("umount", ["/sys/fs/bpf"]);
  });

  test("addresses of packets that do not parse", () => {
    for (const address of ["10.0.0", "10.0.0.256", "fe80::1::2", "fe80::1%eth0", "localhost"]) {
      refused("USAGE", `"${address}" is no IP address`, () => box.wirescript("doctor", "--packet", `${address} > 10.0.0.1`));
    }
  });
});

describe.skipIf(cannotRun !== null)(titled("things that go in the middle"), () => {
  let box: Sandbox;
  const unique = `g${process.pid.toString(36)}`;

  beforeAll(() => {
    box = new Sandbox();
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
  });
  afterAll(() => box[Symbol.dispose]());

  test("a lab that is torn down while it is pinged", async () => {
    expect(box.wirescript("lab", "setup", "--name", unique).status).toBe(0);
    const child = box.start("lab", "ping", "--name", unique, "--interval", "0.1");
    const end = ended(child);
    await printed(child, "seq=2");
    expect(box.wirescript("lab", "teardown", "--name", unique).status).toBe(0);
    child.kill("SIGINT");
    const { status, stderr } = await end;
    // Some were answered, so it has done its work; what it must not do is to fall over its own lab.
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test("a device that goes while its statistics are watched, and while the doctor watches it", async () => {
    for (const command of [
      ["stats", "--interval", "0.2"],
      ["doctor", "--watch", "1.5"],
    ]) {
      const dev = `${unique}d`;
      box.addVeth(dev);
      expect(box.wirescript("load", dev, ECHO).status).toBe(0);
      const [verb = "", ...options] = command;
      const child = box.start(verb, dev, ...options);
      const end = ended(child);
      await new Promise<void>((resolve) => {
        for (const stream of [child.stdout, child.stderr]) stream?.once("data", () => resolve());
      });
      box.output("ip", "link", "del", dev);
      const { status, stderr } = await end;
      expect(stderr).toMatch(/(is gone|There is no network device)[\s\S]*\n {2}why: \S[\s\S]*\n {2}fix: \S/);
      expect({ verb, status }).toEqual({ verb, status: EXIT_STATUS.NO_SUCH_DEVICE });
      box.run("rm", ["-r", `/sys/fs/bpf/${dev}`]);
    }
  });

  test("a device that goes while a program is compiled for it: nothing is attached, and no pin stays", async () => {
    for (const delay of [100, 300, 500, 700, 900]) {
      const dev = `${unique}l`;
      box.addVeth(dev);
      const child = box.start("load", dev, ECHO);
      const end = ended(child);
      await new Promise((resolve) => setTimeout(resolve, delay));
      box.output("ip", "link", "del", dev);
      const { status, stderr } = await end;
      if (status === 0) {
        // It was attached before, and went with the device; its pins are what unload removes.
        box.wirescript("unload", dev);
      } else {
        expect(stderr).toMatch(/^error: .*\n {2}why: \S[\s\S]*\n {2}fix: \S/);
        expect(status).toBe(EXIT_STATUS.NO_SUCH_DEVICE);
      }
      expect(box.output("find", "/sys/fs/bpf", "-name", "xdp_stats_map")).toBe("");
    }
  });

  test("a namespace that goes: its device is not taken for one of the same name here", () => {
    box.output("ip", "netns", "add", unique);
    box.output("ip", "-n", unique, "link", "add", "name", "veth0", "type", "veth", "peer", "name", "other");
    expect(box.wirescript("load", "--netns", unique, "veth0", ECHO).status).toBe(0);
    box.output("ip", "netns", "del", unique);
    for (const command of [["unload"], ["stats"], ["load", ECHO]]) {
      const [verb = "", ...rest] = command;
      const { status, stderr } = box.wirescript(verb, "--netns", unique, "veth0", ...rest);
      expect(stderr).toMatch(/^error: .*\n {2}why: \S[\s\S]*\n {2}fix: \S/);
      expect({ verb, status }).toEqual({ verb, status: EXIT_STATUS.NO_SUCH_NAMESPACE });
    }
  });
});
