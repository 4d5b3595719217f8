/** `wirescript demo`, which is what `npm start` shows; and the commands that it tells the reader to try. */
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

  test("pings over both families, counts exactly them, and leaves nothing", async () => {
    const before = box.state("demo-");
    const { status, stdout, stderr } = box.wirescript("demo");
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
    const { status, stdout } = box.wirescript("demo", "--keep");
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
