/** `wirescript stats` without a device: all programs side by side, whether they count or not, and what gets lost behind them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, DROP, ended, Sandbox, titled } from "./sandbox.ts";

describe.skipIf(cannotRun !== null)(titled("statistics of all devices"), () => {
  let box: Sandbox;
  const unique = `a${process.pid.toString(36)}`;
  const [counts, loses, idle] = [`${unique}c`, `${unique}l`, `${unique}i`];

  beforeAll(() => {
    box = new Sandbox();
    for (const dev of [counts, loses, idle]) box.addVeth(dev);
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
    box.output("ip", "address", "add", "192.0.2.1/24", "dev", `${counts}p`);
    box.output("ip", "address", "add", "198.51.100.1/24", "dev", `${loses}p`);
    const source = 'import { redirect, xdp } from "wirescript/kernel";\nexport const nowhere = xdp(() => redirect(4000));\n';
    writeFileSync(join(box.directory, "nowhere.bpf.ts"), source);
    expect(box.wirescript("stats").status).toBe(15);
    for (const [dev, file] of [
      [counts, DROP],
      [loses, join(box.directory, "nowhere.bpf.ts")],
    ] as const)
      expect(box.wirescript("load", dev, file)).toMatchObject({ status: 0, stderr: "" });
  });
  afterAll(() => box[Symbol.dispose]());

  let host = 2;

  /** ARP requests on both wires until the command has seen them: each for another address, because the kernel asks for one at its leisure. */
  async function watched(isEnough: (output: string) => boolean, ...args: string[]): Promise<string> {
    const child = box.start("stats", "--interval", "0.2", ...args);
    const outcome = ended(child);
    let seen = "";
    child.stdout?.on("data", (chunk) => {
      seen += chunk;
    });
    while (!isEnough(seen) && child.exitCode === null) {
      host = host === 254 ? 2 : host + 1;
      for (const network of ["192.0.2", "198.51.100"]) box.run("ping", ["-c", "1", "-W", "0.1", `${network}.${host}`]);
      // What the command printed meanwhile arrives when the event loop polls.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    child.kill("SIGINT");
    const { stdout, stderr } = await outcome;
    expect(stderr).toBe("Stopped. Only the watching ended; nothing was changed.\n");
    return stdout;
  }

  test("show what each program decides, and name what gets lost and why", async () => {
    type Device = {
      actions: { action: string; packets: number }[] | null;
      received: { packets: number };
      lost: { packets: number }[];
    };
    const blocks = (output: string): { devices: Device[] }[] =>
      output
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    const dropped = ({ actions }: Device) => actions?.find(({ action }) => action === "XDP_DROP")?.packets ?? 0;
    const hasSeen = ({ devices: [first, second] }: { devices: Device[] }) =>
      first !== undefined && dropped(first) > 0 && second !== undefined && second.lost.length > 0;
    const output = await watched((text) => blocks(text).some(hasSeen), "--json");
    const devices = blocks(output).find(hasSeen)?.devices ?? [];
    expect(devices).toMatchObject([
      {
        ...{ dev: counts, mode: "native", program: { name: "drop" }, lost: [] },
        actions: expect.arrayContaining([expect.objectContaining({ action: "XDP_DROP", packets: expect.any(Number) })]),
      },
      {
        ...{ dev: loses, mode: "native", program: { name: "nowhere" }, actions: null },
        lost: [
          {
            ...{ reason: "EINVAL", to: "no device 4000", packets: expect.any(Number) },
            why: `There is no device with index 4000 where ${loses} is.`,
          },
        ],
      },
    ]);
    const [first, second] = devices as [Device, Device];
    expect(first.received.packets).toBeGreaterThanOrEqual(dropped(first));
    expect(second.lost[0]?.packets).toBeGreaterThan(0);
  });

  test("are a table for people", async () => {
    const text = await watched((output) => output.includes(" lost, "));
    expect(text).toMatch(
      /^Device +Mode +Program +Received\/s +Mbit\/s +ABORTED\/s +DROP\/s +PASS\/s +TX\/s +REDIRECT\/s +Lost\/s$/m,
    );
    expect(text).toMatch(new RegExp(`^${counts} +native +drop \\(\\d+\\)( +[\\d.]+){8}$`, "m"));
    expect(text).toMatch(new RegExp(`^${loses} +native +nowhere \\(\\d+\\) +[\\d.]+ +[\\d.]+( +-){5} +[\\d.]+$`, "m"));
    expect(text).toMatch(new RegExp(`^${loses} → no device 4000: \\d+ lost, EINVAL: There is no device`, "m"));
    expect(text).not.toContain(idle);
  });

  test("say so when losses cannot be counted", () => {
    // What a kernel without its types looks like.
    box.output("mount", "-t", "tmpfs", "tmpfs", "/sys/kernel/btf");
    try {
      const { status, stdout, stderr } = box.wirescript("stats", "--count", "1");
      expect(status).toBe(0);
      expect(stderr).toContain(
        "What gets lost behind the programs is not counted: The running kernel does not tell its types.",
      );
      expect(stdout).toMatch(new RegExp(`^${counts} .* \\?$`, "m"));
      const value = JSON.parse(box.wirescript("stats", "--count", "1", "--json").stdout);
      expect(value).toMatchObject({ devices: [{ lost: null }, { lost: null }], lostUnknown: expect.stringContaining("types") });
    } finally {
      box.output("umount", "/sys/kernel/btf");
    }
  });

  test("want a device for what is about one", () => {
    expect(box.wirescript("stats", "--pin-path", "/sys/fs/bpf/x")).toMatchObject({ status: 2, stdout: "" });
  });
});
