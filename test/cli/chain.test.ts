/** `wirescript chain`: programs put together, put into another order and taken off by commands, also when these are killed. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT_STATUS } from "../../src/errors.ts";
import { cannotRun, DROP, ended, PASS, Sandbox, titled } from "./sandbox.ts";

const ROUNDS = 6;
/** A program that counts what it sees, and passes it. */
const counter = (name: string) => `import { array, u64, XDP_PASS, xdp } from "wirescript/kernel";
export const ${name}_seen = array({ value: u64, entries: 1 });
export const ${name} = xdp(() => { const n = ${name}_seen.lookup(0); if (n) n.value++; return XDP_PASS; });
`;
const TC = `import { tc, TC_ACT_OK } from "wirescript/kernel";
export const lets = tc.ingress(() => TC_ACT_OK);
`;

describe.skipIf(cannotRun !== null)(titled("wirescript chain"), () => {
  let box: Sandbox;
  const dev = `h${process.pid.toString(36)}`;
  const path = (name: string) => join(box.directory, `${name}.bpf.ts`);
  const chain = (...words: string[]) => box.wirescript("chain", ...words);

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth(dev);
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
    for (const name of ["first", "second", "third"]) writeFileSync(path(name), counter(name));
    writeFileSync(path("lets"), TC);
    writeFileSync(path("two"), counter("one") + counter("other").replace(/^import.*\n/, ""));
  });
  afterAll(() => box[Symbol.dispose]());

  function order(where = dev): string[] {
    const { steps } = JSON.parse(chain("show", where, "--json").stdout) as { steps: { name: string }[] };
    return steps.map(({ name }) => name);
  }
  const pins = () => box.output("find", `/sys/fs/bpf/${dev}`).trim().split("\n");

  test("attach puts programs one behind the other, and the chain stays", () => {
    const { status, stdout, stderr } = chain("attach", dev, path("first"), path("second"));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toBe(
      `Attached a chain of 2 to ${dev}. It is pinned in /sys/fs/bpf/${dev}/chain.\n  1. first\n  2. second\n`,
    );
    expect(chain("show", dev).stdout).toBe(
      `${dev} has a chain of 2, pinned in /sys/fs/bpf/${dev}/chain.\n  1. first\n  2. second\n`,
    );
    expect(box.output("ip", "link", "show", dev)).toContain("prog/xdp id");
  });

  test("arrange takes names that are there and files that are not", () => {
    expect(chain("arrange", dev, "second", "first").stdout).toContain("  1. second\n  2. first\n");
    expect(chain("arrange", dev, "first", path("third")).status).toBe(0);
    expect(order()).toEqual(["first", "third"]);
    // What left is gone.
    expect(pins().filter((pin) => pin.includes("second"))).toEqual([]);
    expect(chain("arrange", dev, `${path("two")}#other`, "third", `${path("two")}#one`).status).toBe(0);
    expect(order()).toEqual(["other", "third", "one"]);
  });

  test("packets go through all of them in their order", async () => {
    const seen = (name: string) => {
      const [{ value }] = JSON.parse(
        box.output(process.execPath, "bin/wirescript.js", "maps", "dump", `${name}_seen`, "--json"),
      );
      return Number(value);
    };
    /** After another ARP request has been sent. */
    const seenAfter = (...names: string[]) => {
      box.run("ping", ["-c", "1", "-W", "0.1", "-I", `${dev}p`, "192.0.2.9"]);
      return Math.min(...names.map(seen));
    };
    box.output("ip", "address", "add", "192.0.2.1/24", "dev", `${dev}p`);
    await expect.poll(() => seenAfter("other", "third", "one")).toBeGreaterThan(0);
    expect(chain("arrange", dev, "other", DROP, "third").status).toBe(0);
    const before = seen("third");
    const first = seen("other");
    await expect.poll(() => seenAfter("other")).toBeGreaterThan(first);
    expect(seen("third")).toBe(before);
  });

  test("what cannot be done is said, and nothing changes", () => {
    const before = [order(), pins()];
    for (const [words, code, says] of [
      [["attach", dev, path("first")], "DEVICE_BUSY", `Or take it off: wirescript chain detach ${dev}\n`],
      [["attach", "nosuch", path("first")], "NO_SUCH_DEVICE", "nosuch"],
      [["attach", dev, path("none")], "BAD_FILE", "none"],
      [["attach", dev, path("two")], "USAGE", "several programs"],
      [["arrange", dev, "other", "other"], "NO_SUCH_PROGRAM", 'no second program "other"'],
      [["arrange", dev, "nothing"], "NO_SUCH_PROGRAM", "It has other, drop, third."],
      [["arrange", dev, path("lets")], "USAGE", "lets"],
      [["arrange", dev, path("first"), "--goes-on", "XDP_PERHAPS"], "USAGE", '"XDP_PERHAPS" is no verdict.'],
      [["show", "lo"], "NOTHING_ATTACHED", "There is no chain on lo."],
      [["detach", "lo"], "NOTHING_ATTACHED", "There is no chain on lo."],
      [["frobnicate", dev], "USAGE", "frobnicate"],
    ] as const) {
      const { status, stderr } = chain(...words);
      expect(stderr).toContain(says);
      expect(stderr).toMatch(/^error: .*\n {2}why: \S[\s\S]*\n {2}fix: \S/);
      expect({ words, status }).toEqual({ words, status: EXIT_STATUS[code] });
    }
    expect([order(), pins()]).toEqual(before);
  });

  test(`arrange killed ${ROUNDS} times at random moments leaves the old order or the new one`, async () => {
    expect(chain("arrange", dev, path("first"), path("second")).status).toBe(0);
    for (let round = 0; round < ROUNDS; round++) {
      const old = order();
      const wanted = round % 2 === 0 ? ["second", "first", path("third")] : ["first", "second"];
      const child = box.start("chain", "arrange", dev, ...wanted);
      const end = once(child, "close");
      await sleep(150 + Math.random() * 700);
      child.kill("SIGKILL");
      await end;
      const now = order();
      expect([old, round % 2 === 0 ? ["second", "first", "third"] : ["first", "second"]]).toContainEqual(now);
    }
    // The next command goes on from there, and takes away what was left of the killed ones.
    expect(chain("arrange", dev, path("first")).status).toBe(0);
    expect(order()).toEqual(["first"]);
    const steps = pins().filter((pin) => /\/chain\/\w+_\d+$/.test(pin));
    expect(steps).toHaveLength(1);
  });

  test("load and unload say how the chain is taken off", () => {
    for (const words of [
      ["load", dev, PASS],
      ["unload", dev],
    ]) {
      const { status, stderr } = box.wirescript(...words);
      expect(stderr).toMatch(new RegExp(`fix: Take the chain off: wirescript chain detach ${dev}, or `));
      expect(status).toBe(EXIT_STATUS.DEVICE_BUSY);
    }
  });

  test("detach takes all off, with its pins", () => {
    expect(chain("detach", dev)).toMatchObject({ status: 0, stdout: `Removed the chain from ${dev}: first.\n` });
    expect(box.output("ip", "link", "show", dev)).not.toContain("prog/xdp");
    expect(box.run("ls", [`/sys/fs/bpf/${dev}`]).status).not.toBe(0);
  });

  test("detach removes what is left of a chain whose device went", () => {
    const gone = `${dev}g`;
    box.addVeth(gone);
    expect(chain("attach", gone, PASS).status).toBe(0);
    box.output("ip", "link", "del", gone);
    expect(chain("show", gone).status).toBe(EXIT_STATUS.NOTHING_ATTACHED);
    expect(chain("detach", gone).stdout).toContain(`The chain was on ${gone} no more.`);
    expect(box.run("ls", [`/sys/fs/bpf/${gone}`]).status).not.toBe(0);
  });

  test("what is left where the link was unpinned is removed by detach, as the others say", () => {
    const other = `${dev}u`;
    box.addVeth(other);
    expect(chain("attach", other, PASS).status).toBe(0);
    expect(box.wirescript("unpin", `/sys/fs/bpf/${other}/chain/link`).status).toBe(0);
    for (const words of [
      ["show", other],
      ["arrange", other, PASS],
      ["attach", other, PASS],
    ]) {
      const { status, stderr } = chain(...words);
      expect(stderr).toContain(`fix: Remove it: wirescript chain detach ${other}\n`);
      expect(status).toBe(EXIT_STATUS.NOTHING_ATTACHED);
    }
    expect(chain("detach", other).status).toBe(0);
    expect(box.run("ls", [`/sys/fs/bpf/${other}`]).status).not.toBe(0);
    expect(chain("attach", other, PASS).status).toBe(0);
    expect(chain("detach", other).status).toBe(0);
  });

  test("TC, and another network namespace", () => {
    box.output("ip", "netns", "add", dev);
    box.output("ip", "-n", dev, "link", "add", "name", "veth0", "type", "veth", "peer", "name", "other");
    const where = ["veth0", "--netns", dev, "--ingress"];
    expect(chain("attach", ...where, path("lets"))).toMatchObject({ status: 0, stderr: "" });
    expect(chain("show", ...where).stdout).toContain("veth0 ingress has a chain of 1");
    expect(chain("attach", ...where, path("lets")).stderr).toContain(
      `wirescript chain detach --netns ${dev} veth0 --ingress\n`,
    );
    expect(box.wirescript("unload", ...where).stderr).toContain(
      `Take the chain off: wirescript chain detach --netns ${dev} veth0 --ingress, or `,
    );
    expect(chain("detach", ...where).status).toBe(0);
    expect(box.output("ls", "/sys/fs/bpf")).not.toContain("netns-");
  });

  test("load --mode hw is refused by a device that is no card, which keeps what it has", async () => {
    const child = box.start("load", "--mode", "hw", dev, PASS);
    const { status, stderr } = await ended(child);
    expect(stderr).toMatch(/^error: .*\n {2}why: \S[\s\S]*\n {2}fix: \S/);
    expect(status).toBe(EXIT_STATUS.MODE_UNSUPPORTED);
    expect(box.output("ip", "link", "show", dev)).not.toContain("prog/xdp");
    expect(box.run("ls", [`/sys/fs/bpf/${dev}`]).status).not.toBe(0);
  });
});
