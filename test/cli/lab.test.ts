/** The XDP tutorial's lesson, typed as it tells its readers to, in a shell with the alias. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, ECHO, ROOT, Sandbox, titled } from "./sandbox.ts";

describe.skipIf(cannotRun !== null)(titled("labs, through the printed alias"), () => {
  let box: Sandbox;
  const name = `t${process.pid.toString(36)}`;

  beforeAll(() => {
    box = new Sandbox();
  });
  afterAll(() => {
    box.wirescript("lab", "teardown", "--name", name);
    box[Symbol.dispose]();
  });

  /** Runs a script after `eval $(wirescript lab alias)`, as a person types it. */
  function shell(script: string) {
    const file = join(box.directory, "script");
    const alias = `eval $('${process.execPath}' '${join(ROOT, "bin/wirescript.js")}' lab alias)`;
    writeFileSync(file, `shopt -s expand_aliases\n${alias}\nset -e\n${script}\n`);
    return box.run("bash", [file]);
  }

  test("setup, exec, ping over both families, status", () => {
    const { status, stdout, stderr } = shell(`
      t setup -n ${name} --legacy-ip
      t exec -n ${name} -- sh -c 'echo inside $TESTENV_NAME; cat /sys/class/net/veth0/address'
      t ping --count 2
      t ping --legacy-ip -c 2
      t --name ${name} status
    `);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toContain(`Setting up new environment '${name}'\n`);
    expect(stdout).toContain(`Setup environment '${name}' with peer ip fc00:dead:cafe:1::2 and 10.11.1.2.\n`);
    expect(stdout).toMatch(new RegExp(`^inside ${name}\n([0-9a-f]{2}:){5}[0-9a-f]{2}$`, "m"));
    expect(stdout).toContain("Running ping from inside test environment:\n\n");
    expect(stdout).toMatch(/^64 bytes from fc00:dead:cafe:1::1: icmp_seq=2 time=[\d.]+ ms$/m);
    expect(stdout).toMatch(/^64 bytes from 10\.11\.1\.1: icmp_seq=2 ttl=64 time=[\d.]+ ms$/m);
    expect(stdout).toContain("2 packets transmitted, 2 received, 0% packet loss\n");
    expect(stdout).toContain(`Currently selected environment: ${name}\n`);
    expect(stdout).toMatch(/^ {2}Prefix: {9}fc00:dead:cafe:1::\/64\n {2}Legacy prefix: {2}10\.11\.1\.0\/24$/m);
    expect(stdout).toMatch(new RegExp(`^All existing environments:\n  ${name}$`, "m"));
  });

  test("ping says why answers are lost when the program came by plain load", () => {
    expect(box.wirescript("load", name, ECHO).status).toBe(0);
    const { status, stderr } = shell(`t ping -n ${name} -c 1`);
    expect(status).toBe(13);
    expect(stderr).toContain("veth0 inside has no XDP program");
    expect(stderr).toContain(`wirescript lab load --name ${name} -- --force FILE`);
    expect(box.wirescript("unload", name).status).toBe(0);
  });

  test("load puts the program on the lab's device, and its answers arrive and are counted", () => {
    const { status, stdout, stderr } = shell(`
      t load -n ${name} -- --force ${ECHO}
      t ping --count 3
      t ping --count 4 --legacy-ip
      t stats --count 1 --json
    `);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toContain(`Attached echo to ${name} in native mode.`);
    expect(stdout).toContain("Note:       veth0 inside had no XDP program");
    const { actions } = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
    // 14 + 40 + 8 + 56 and 14 + 20 + 8 + 56 bytes.
    expect(actions[3]).toMatchObject({ action: "XDP_TX", packets: 7, bytes: 3 * 118 + 4 * 98 });
    const unloaded = shell("t unload");
    expect(unloaded.stdout).toMatch(new RegExp(`^Removed "echo" \\(id \\d+\\) from ${name}: native mode\\.$`, "m"));
  });

  test("other people's tools load and count, called as the tutorial calls them", () => {
    const tool = join(box.directory, "tool");
    writeFileSync(tool, '#!/bin/sh\necho "$@"\nexit 7\n', { mode: 0o755 });
    expect(shell(`t stats -n ${name} --stats ${tool} -- -q`)).toMatchObject({ status: 7, stdout: `--dev ${name} -q\n` });
    expect(shell(`t load --loader ${tool} -- --prog-name f prog.o`)).toMatchObject({
      status: 7,
      stdout: `load --prog-name f --pin-path /sys/fs/bpf/${name} ${name} prog.o\n`,
    });
    expect(shell(`t unload --loader ${tool} -- --all`).stdout).toBe(`unload --all ${name}\n`);
    expect(shell("t unload --loader ./nothing")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("Loader './nothing' is not executable"),
    });
  });

  test("the exit status of a command inside is the lab's, and reset keeps name and addresses", () => {
    expect(shell("t exec -- sh -c 'exit 42'").status).toBe(42);
    const { status, stdout } = shell("t reset");
    expect(status).toBe(0);
    expect(stdout).toContain(`Tearing down environment '${name}'\nSetting up new environment '${name}'\n`);
    expect(stdout).toContain("with peer ip fc00:dead:cafe:1::2 and 10.11.1.2.");
  });

  test("two labs side by side reach each other's outside", () => {
    const other = `${name}b`;
    try {
      const { status, stdout } = shell(`t setup -n ${other}\nt ping -c 1\nt status --json`);
      expect(status).toBe(0);
      expect(stdout).toContain("icmp_seq=1");
      expect(JSON.parse(stdout.slice(stdout.indexOf("{"))).environments).toEqual([name, other]);
    } finally {
      shell(`t teardown -n ${other}`);
    }
  });

  test("teardown takes everything away", () => {
    shell(`t load -n ${name} ${ECHO}`);
    const { status, stdout } = shell(`t teardown -n ${name}`);
    expect(status).toBe(0);
    expect(stdout).toBe(`Tearing down environment '${name}'\n`);
    expect(box.run("ip", ["link", "show", "dev", name]).status).not.toBe(0);
    expect(box.output("find", "/sys/fs/bpf")).not.toContain(name);
    expect(shell("t status").stdout).toBe(
      "Currently selected environment: None\n\nAll existing environments:\n  No environments exist\n",
    );
  });

  test("what is wrong with a command line is said, with its own status", () => {
    expect(box.wirescript("lab", "--help")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("t setup -n test --legacy-ip"),
    });
    expect(box.wirescript("lab", "frobnicate")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("There is no `lab frobnicate`."),
    });
    expect(box.wirescript("lab", "exec")).toMatchObject({ status: 2 });
    expect(box.wirescript("lab", "ping")).toMatchObject({
      status: 13,
      stderr: expect.stringContaining("No environment selected"),
    });
    expect(box.wirescript("lab", "setup", "--name", "sixteen-letters-")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("Environment name 'sixteen-letters-' is too long (max 15)"),
    });
  });
});
