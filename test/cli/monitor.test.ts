/** `wirescript monitor`: packets that get lost on a real wire, and what the command says of them in each of its forms. */
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BIN, cannotRun, ended, ROOT, Sandbox, titled } from "./sandbox.ts";

const ABORTED = join(ROOT, "src/programs/aborted.bpf.ts");

/** Waits until it counts, which it says. */
async function counting(child: ChildProcess): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on("data", (chunk) => {
      said += chunk;
      if (said.includes("XDP events")) resolve();
    });
    child.once("close", () => reject(new Error(`ended and said:\n${said}`)));
  });
}

describe.skipIf(cannotRun !== null)(titled("watching packets get lost"), () => {
  let box: Sandbox;
  const dev = `m${process.pid.toString(36)}d`;
  const other = `m${process.pid.toString(36)}o`;

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth(dev);
    box.addVeth(other);
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
    box.output("ip", "address", "add", "192.0.2.1/24", "dev", `${dev}p`);
    expect(box.wirescript("load", dev, ABORTED)).toMatchObject({ status: 0, stderr: "" });
  });
  afterAll(() => box[Symbol.dispose]());
  let host = 2;
  /** ARP requests, which the program aborts; each for another address, because the kernel asks for one at its leisure. */
  const lose = () => {
    host = host === 254 ? 2 : host + 1;
    return box.run("ping", ["-c", "1", "-W", "0.2", `192.0.2.${host}`]);
  };

  test("prints a line for each reason, with what it means, when it writes to a pipe", async () => {
    const child = box.start("monitor", dev, "--interval", "1", "--count", "2");
    const outcome = ended(child);
    await counting(child);
    lose();
    const { status, stdout, stderr } = await outcome;
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: `XDP events of ${dev}; redirects that go well are counted with --redirects only.\n`,
    });
    expect(stdout).toMatch(
      new RegExp(
        `^\\d\\d:\\d\\d:\\d\\d  exception  XDP_ABORTED  ${dev} by aborted \\(\\d+\\): \\d+ lost\\. "aborted" returned`,
        "m",
      ),
    );
  });

  test("tells devices apart, and those of another namespace by what --netns takes", async () => {
    const name = `m${process.pid.toString(36)}n`;
    box.output("ip", "netns", "add", name);
    const json = (...args: string[]) => ["monitor", ...args, "--interval", "2", "--count", "1", "--json"];
    // The sandbox's own namespace has no name, so from elsewhere it is known by a process in it.
    const elsewhere = box.spawn("ip", ["netns", "exec", name, process.execPath, BIN, ...json()]);
    const outcomes = [...[[dev], [other], ["--netns", name]].map((args) => box.start(...json(...args))), elsewhere].map(ended);
    const stop = setInterval(lose, 300);
    const [a, b, c, d] = await Promise.all(outcomes);
    clearInterval(stop);
    const counts = (outcome: typeof a) => JSON.parse(outcome?.stdout.split("\n")[0] ?? "").counts;
    expect(counts(a)).toMatchObject([
      {
        event: "xdp_exception",
        ...{ action: "XDP_ABORTED", error: null, program: { name: "aborted" }, device: { name: dev, netns: null } },
        lostPackets: expect.any(Number),
        why: expect.stringContaining("XDP_ABORTED"),
      },
    ]);
    expect(counts(b)).toEqual([]);
    expect(counts(c)).toEqual([]);
    expect(counts(d)).toContainEqual(
      expect.objectContaining({ device: expect.objectContaining({ name: dev, netns: expect.stringMatching(/^\d+$/) }) }),
    );
  });

  test("is a table on a terminal", () => {
    const command = `${process.execPath} bin/wirescript.js monitor --interval 1 --count 1`;
    const { stdout } = box.run("script", ["-qec", `(ping -c 3 -i 0.3 -W 1 192.0.2.2 >&- 2>&- &) ; ${command}`, "/dev/null"]);
    expect(stdout).toContain("XDP events of all network namespaces");
    expect(stdout).toMatch(/Event +Reason +Where +To +By +Lost +Lost\/s +Sent\/s|Nothing has happened yet/);
  });

  test("says what is wrong: no such device, no privileges", () => {
    expect(box.wirescript("monitor", "nosuch")).toMatchObject({ status: 5, stdout: "" });
    const { status, stderr } = box.unprivileged("monitor");
    expect(status).toBe(3);
    expect(stderr).toContain("This user may not watch the kernel's XDP events.");
  });
});
