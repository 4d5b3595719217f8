/**
 * Death at any moment: a process that loads, attaches, replaces and pins as fast as it can is killed (SIGKILL), again and again. The device then has
 * the old or the new program, whole; what is pinned can be opened; and the next command sees what is there and goes on from it.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, DROP, ECHO, PASS, printed, ROOT, Sandbox, titled } from "./sandbox.ts";

const ROUNDS = 6;

describe.skipIf(cannotRun !== null)(titled(`killed ${ROUNDS} times at random moments`), () => {
  let box: Sandbox;
  beforeAll(() => {
    box = new Sandbox();
  });
  afterAll(() => box[Symbol.dispose]());

  const xdpOf = (dev: string): { name: string; id: number } | undefined =>
    JSON.parse(box.output("ip", "-json", "-details", "link", "show", "dev", dev))[0].xdp?.prog;

  /** Runs `body` until it is killed, some moments after it said that it is at work. */
  async function kill(dev: string, body: string): Promise<void> {
    const script = join(box.directory, "work.mjs");
    writeFileSync(
      script,
      `import { existsSync, unlinkSync } from "node:fs";
      import { load, openPinnedLink } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
      const dev = ${JSON.stringify(dev)}, pins = "/sys/fs/bpf/" + dev;
      const open = (file) => load(file, { pinPath: pins });
      const [PASS, DROP] = ${JSON.stringify([PASS, DROP])};
      const remove = (path) => { if (existsSync(path)) unlinkSync(path); };
      ${body}`,
    );
    const child: ChildProcess = box.startNode(script);
    const end = once(child, "close");
    try {
      await printed(child, "at work");
      await sleep(Math.random() * 40);
    } finally {
      child.kill("SIGKILL");
      await end;
    }
  }

  test("while it replaces by netlink: the device has one of the two programs, and every pin opens", async () => {
    const dev = `k${process.pid.toString(36)}`;
    box.addVeth(dev);
    for (let round = 0; round < ROUNDS; round++) {
      await kill(
        dev,
        `for (let round = 0; ; round++) {
          const object = await open(round % 2 ? PASS : DROP);
          const program = object.program(round % 2 ? "pass" : "drop");
          program.attachPersistently({ dev, mode: "auto", force: true });
          remove(pins + "/program");
          program.pin(pins + "/program");
          object.close();
          if (round === 1) console.log("at work");
        }`,
      );
      expect(["pass", "drop"]).toContain(xdpOf(dev)?.name);
      const pins = box.output("find", `/sys/fs/bpf/${dev}`, "-type", "f").trim().split("\n");
      for (const pin of pins.filter((path) => path.endsWith("program")))
        expect(box.run("bpftool", ["prog", "show", "pinned", pin]).status).toBe(0);
    }
    const { status, stdout } = box.wirescript("load", "--force", dev, ECHO);
    expect([status, stdout]).toEqual([0, expect.stringContaining("used again, with its contents")]);
    expect(stdout).toMatch(/replaced {2}(pass|drop) /);
    expect(JSON.parse(box.wirescript("status", "--json", dev).stdout)[0].programs).toMatchObject([{ name: "echo" }]);
    expect(box.wirescript("unload", dev).status).toBe(0);
    expect(xdpOf(dev)).toBeUndefined();
  });

  test("while it exchanges the program of a link: it goes with its holder, or stays by its pin", async () => {
    const dev = `l${process.pid.toString(36)}`;
    box.addVeth(dev);
    for (let round = 0; round < ROUNDS; round++) {
      await kill(
        dev,
        `const objects = [await open(PASS), await open(DROP)];
        const programs = [objects[0].program("pass"), objects[1].program("drop")];
        const path = pins + "/link";
        const link = existsSync(path) ? openPinnedLink(path) : programs[0].attach({ dev });
        for (let round = 0; ; round++) {
          link.update(programs[round % 2]);
          if (round % 3 === 0) remove(path);
          else if (!existsSync(path)) link.pin(path);
          if (round === 1) console.log("at work");
          await null;
        }`,
      );
      const pinned = box.run("test", ["-e", `/sys/fs/bpf/${dev}/link`]).status === 0;
      // The kernel takes a link's program off when its last holder has gone, which a dying process may still be about to be.
      if (pinned) expect(["pass", "drop"]).toContain(xdpOf(dev)?.name);
      else await expect.poll(() => xdpOf(dev)).toBeUndefined();
      const [{ programs }] = JSON.parse(box.wirescript("status", "--json", dev).stdout);
      expect(programs).toMatchObject(pinned ? [{ holders: { processes: [], pins: [`/sys/fs/bpf/${dev}/link`] } }] : []);
    }
  });

  test("while a command loads: what it left is used or replaced by the next one", async () => {
    const dev = `c${process.pid.toString(36)}`;
    box.addVeth(dev);
    box.wirescript("load", dev, PASS);
    for (let round = 0; round < ROUNDS; round++) {
      const child = box.start("load", "--force", dev, round % 2 === 0 ? DROP : PASS);
      const end = once(child, "close");
      await sleep(150 + Math.random() * 600);
      child.kill("SIGKILL");
      await end;
      expect(["pass", "drop"]).toContain(xdpOf(dev)?.name);
    }
    expect(box.wirescript("load", "--force", dev, ECHO).status).toBe(0);
    expect(xdpOf(dev)?.name).toBe("echo");
    expect(box.wirescript("unload", dev).status).toBe(0);
  });
});
