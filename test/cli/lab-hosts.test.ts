/** Labs with hosts, typed as their page (docs/labs.md) has it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasTool } from "../own-network.ts";
import { cannotRun, needs, PASS, Sandbox, titled } from "./sandbox.ts";

describe.skipIf(cannotRun !== null)(titled("labs with hosts"), () => {
  let box: Sandbox;
  const name = `h${process.pid.toString(36)}`;
  const lab = (...args: string[]) => box.wirescript("lab", ...args);

  beforeAll(() => {
    box = new Sandbox();
  });
  afterAll(() => {
    lab("teardown", "--name", name);
    box[Symbol.dispose]();
  });

  test("setup, ping between all, ping from one", () => {
    expect(lab("setup", "--name", name, "--hosts", "3")).toMatchObject({
      status: 0,
      stdout: `Setting up new environment '${name}'\nSetup environment '${name}' with a switch and 3 hosts.\n`,
      stderr: "",
    });
    const all = lab("ping");
    expect(all.status).toBe(0);
    expect(all.stdout).toMatch(/^host 3 > host 2 {2}fc00:dead:beef::2: 1 of 1 answered, [\d.]+ ms$/m);
    expect(all.stdout).toMatch(/\n12 of 12 ways work\.\n$/);
    expect(lab("ping", "--host", "2", "-c", "2", "-i", "0.001").stdout).toMatch(
      /2 of 2 answered[\s\S]*\n4 of 4 ways work\.\n$/,
    );
  });

  test("commands run at the host that is named, or in the middle", () => {
    const mac = (...host: string[]) => lab("exec", ...host, "--", "cat", "/sys/class/net/veth0/address");
    expect(mac("--host", "2")).toMatchObject({ status: 0, stdout: "02:00:00:00:00:02\n", stderr: "" });
    expect(mac().status).not.toBe(0);
    expect(lab("exec", "--", "ls", "/sys/class/net/switch/brif").stdout).toBe("host1\nhost2\nhost3\n");
  });

  test("status shows each host", () => {
    const { stdout } = lab("status");
    expect(stdout).toContain(`Middle:  a switch, in namespace ${name}\n`);
    expect(stdout).toContain(`Host 3:  ${name}-3  veth0 UP  10.12.0.3  fc00:dead:beef::3  at host3 UP\n`);
    const known = JSON.parse(lab("status", "--json").stdout);
    expect(known).toMatchObject({ selected: null, network: { name, middle: "switch", hosts: [{ number: 1 }, {}, {}] } });
  });

  test("a program goes onto a port in the middle, and ping says when ways are cut", () => {
    const node = [process.execPath, `${import.meta.dirname}/../../bin/wirescript.js`];
    expect(lab("exec", "--", ...node, "load", "host1", PASS).status).toBe(0);
    expect(lab("ping", "--host", "1").stdout).toContain("4 of 4 ways work.");
    expect(lab("exec", "--host", "3", "--", "ip", "link", "set", "veth0", "down").status).toBe(0);
    const cut = lab("ping", "--host", "1");
    expect(cut.status).not.toBe(0);
    expect(cut.stdout).toContain("2 of 4 ways work.");
    expect(cut.stderr).toContain("2 of 4 ways between hosts carry no pings.");
  });

  test.skipIf(!hasTool("tcpdump"))(`tcpdump listens at a host's port${needs("tcpdump")}`, () => {
    const { stdout } = box.run("sh", [
      "-c",
      `'${process.execPath}' '${import.meta.dirname}/../../bin/wirescript.js' lab tcpdump --host 2 -- -c 1 -l arp or icmp & listener=$!
       while kill -0 $listener 2>/dev/null; do ip netns exec ${name}-1 ping -c 1 -W 1 10.12.0.2 >/dev/null; done`,
    ]);
    expect(stdout).toContain("02:00:00:00:00:01 >");
  });

  test("what makes no sense is refused, with the remedy", () => {
    const stderr = (...args: string[]) => lab(...args).stderr;
    expect(stderr("exec", "--host", "9", "--", "true")).toContain(`Environment '${name}' has no host 9.`);
    expect(stderr("load", PASS)).toContain("load is for labs of one host.");
    expect(stderr("setup", "--name", "x", "--hosts", "1")).toContain("There cannot be 1 hosts in a lab.");
    expect(stderr("setup", "--name", "x", "--router")).toContain("--router is for labs with hosts.");
    expect(stderr("tcpdump", "--inner")).toContain("Add --host 1.");
    expect(stderr("setup", "--name", name)).toContain(`Environment for '${name}' already exists`);
  });

  test("reset and teardown", () => {
    expect(lab("reset").status).toBe(0);
    expect(lab("ping").stdout).toContain("12 of 12 ways work.");
    expect(lab("teardown")).toMatchObject({ status: 0, stdout: `Tearing down environment '${name}'\n`, stderr: "" });
    expect(box.run("ip", ["netns", "list"]).stdout).toBe("");
  });
});
