/** `wirescript demo`, which is what `npm start` shows, and `wirescript demo echo`; and the commands that they tell the reader to try. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, Sandbox, titled } from "./sandbox.ts";

describe.skipIf(cannotRun !== null)(titled("the demo"), () => {
  let box: Sandbox;

  beforeAll(() => {
    box = new Sandbox();
  });
  afterAll(() => box[Symbol.dispose]());

  /** The command lines under a heading, as a person would copy them. */
  const suggested = (stdout: string) =>
    stdout.split("\n").flatMap((line) => /^ {2}(npx wirescript .*?)(?: {2}.*)?$/.exec(line)?.[1] ?? []);

  test("a balancer spreads requests, loses a server and gets it back, and leaves nothing", async () => {
    const before = box.state("demo-");
    const { status, stdout, stderr } = box.wirescript("demo");
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const shares = [...stdout.matchAll(/^ {5}server-(\d) +(\d+) +[\d.]+ %/gm)].map(([, server, answers]) => [
      server,
      Number(answers),
    ]);
    expect(shares).toHaveLength(12);
    for (const round of [shares.slice(0, 4), shares.slice(4, 8), shares.slice(8)]) {
      expect(round.reduce((sum, [, answers]) => sum + Number(answers), 0)).toBe(2000);
    }
    expect(shares[5]).toEqual(["2", 0]);
    for (const [, answers] of [...shares.slice(0, 4), ...shares.slice(8)]) expect(answers).toBeGreaterThan(300);
    expect(stdout).toMatch(/of the 60 open connections \d+ went on through all of it; \d+ were server-2's/);
    await expect.poll(() => box.state("demo-")).toEqual(before);
    for (const line of suggested(stdout).filter((each) => !each.includes(" demo"))) {
      expect({ line, status: box.run("sh", ["-c", line]).status }).toEqual({ line, status: 0 });
    }
  });

  test("pings over both families, counts exactly them, and leaves nothing", async () => {
    const before = box.state("demo-");
    const { status, stdout, stderr } = box.wirescript("demo", "echo");
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ {5}\d+ eBPF instructions, /m);
    expect(stdout).toMatch(/^ {5}10\.11\.1\.1 +5 of 5 answered, \d+ µs on average/m);
    expect(stdout).toMatch(/^ {5}fc00:dead:cafe:1::1 +5 of 5 answered, \d+ µs on average/m);
    expect(stdout).toMatch(/^ {5}XDP_TX +10 pkts /m);
    expect(stdout).toContain("XDP_TX counts exactly the 10 pings.");
    await expect.poll(() => box.state("demo-")).toEqual(before);
    const commands = suggested(stdout);
    expect(commands.length).toBeGreaterThan(3);
    for (const line of commands.filter((each) => !each.includes("--keep"))) {
      expect({ line, status: box.run("sh", ["-c", line]).status }).toEqual({ line, status: 0 });
    }
  });

  test("--keep leaves the lab, and the commands that it prints show and remove it", async () => {
    const before = box.state("demo-");
    const { status, stdout } = box.wirescript("demo", "echo", "--keep");
    expect(status).toBe(0);
    const commands = suggested(stdout);
    expect(commands.at(-1)).toMatch(/ lab teardown --name demo-\d+$/);
    for (const line of commands) {
      const { status, stdout } = box.run("sh", ["-c", `${line} </dev/null`]);
      expect({ line, status }).toEqual({ line, status: 0 });
      if (line.includes(" stats ")) expect(stdout).toMatch(/^XDP_TX +10 pkts/m);
      if (line.includes(" ping ")) expect(stdout).toContain("3 packets transmitted, 3 received");
    }
    // The mounted BPF file system stays for those who keep the lab.
    const withoutBpffs = (state: object) => ({ ...state, mounts: null, pins: null });
    await expect.poll(() => withoutBpffs(box.state("demo-"))).toEqual(withoutBpffs(before));
  });
});
