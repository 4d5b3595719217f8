/** The state on disk: after every step of a save, and after every damage, what is found is whole. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { assertProperty } from "../../test/property.ts";
import { readDocument } from "./document.ts";
import { type Accepted, Store } from "./store.ts";

const state = (mtu: number) =>
  readDocument(`{ mtu: ${mtu}, services: [{ name: a, address: 192.0.2.1, port: 80, protocol: tcp }] }`);
const accepted = (revision: number): Accepted => ({
  revision,
  since: new Date(1_700_000_000_000 + revision),
  state: state(1000 + revision),
  deadlines: { "tcp 192.0.2.1 80 10.0.0.1 80": 7 },
});

const cannotMount = process.platform !== "linux" || process.getuid?.() !== 0;

describe("a store", () => {
  let directory: string;
  let store: Store;
  const file = (name: string) => join(directory, name);
  /** As after a restart. */
  const reopened = () => {
    store.close();
    store = new Store(directory);
    return store.load();
  };

  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), "ws-store-")), "deep", "er");
    store = new Store(directory);
  });
  afterEach(() => {
    store.close();
    rmSync(join(directory, "..", ".."), { recursive: true });
  });

  it("has nothing at first, and then what was saved last", async () => {
    expect(await store.load()).toEqual({ accepted: null, damaged: [] });
    await store.save(accepted(1));
    await store.save(accepted(2));
    expect(await reopened()).toEqual({ accepted: accepted(2), damaged: [] });
    expect(readdirSync(directory).sort()).toEqual(["state", "state.previous"]);
  });

  it("is for its owner's eyes only", async () => {
    await store.save(accepted(1));
    expect([statSync(directory).mode & 0o777, statSync(file("state")).mode & 0o777]).toEqual([0o700, 0o600]);
  });

  it("a crash between any two steps of a save leaves the state before or the new one, and the next save works", async () => {
    await store.save(accepted(1));
    await store.save(accepted(2));
    const [two, one] = [readFileSync(file("state"), "utf8"), readFileSync(file("state.previous"), "utf8")];
    await store.save(accepted(3));
    const three = readFileSync(file("state"), "utf8");
    const steps: [string, Record<string, string>][] = [
      ["nothing written yet", { state: two, "state.previous": one, "state.next": "" }],
      ["half written", { state: two, "state.previous": one, "state.next": three.slice(0, 200) }],
      ["written", { state: two, "state.previous": one, "state.next": three }],
      ["second name given", { state: two, "state.previous": one, "state.next": three, "state.kept": two }],
      ["second name is the previous one", { state: two, "state.previous": two, "state.next": three }],
      ["renamed", { state: three, "state.previous": two }],
    ];
    for (const [step, files] of steps) {
      for (const name of readdirSync(directory)) rmSync(file(name));
      for (const [name, text] of Object.entries(files)) writeFileSync(file(name), text);
      const expected = step === "renamed" ? 3 : 2;
      expect([step, await reopened()]).toEqual([step, { accepted: accepted(expected), damaged: [] }]);
      await store.save(accepted(4));
      expect([step, (await reopened()).accepted?.revision]).toEqual([step, 4]);
      expect(readdirSync(directory).sort()).toEqual(["state", "state.previous"]);
    }
  });

  it("notices any byte that is another one, tells it, keeps the file, and uses the state before", async () => {
    await store.save(accepted(1));
    await store.save(accepted(2));
    copyFileSync(file("state"), file("whole"));
    const whole = readFileSync(file("whole"));
    await assertProperty(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const damaged = Buffer.from(whole);
        damaged[at] = (damaged[at] as number) ^ change;
        writeFileSync(file("state"), damaged);
        expect(await reopened()).toEqual({
          accepted: accepted(1),
          damaged: [{ path: file("state"), why: expect.any(String), keptAs: file("state.damaged") }],
        });
        expect(readFileSync(file("state.damaged"))).toEqual(damaged);
        expect(existsSync(file("state"))).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ["", "It is no state of a balancer."],
    ["wirescript-balancer 2 abc\n{}", "It was written by another version of Wirescript."],
    ["wirescript-balancer 1 abc\n{}", "Its contents do not add up to what it says."],
  ])("says what is wrong with %j, and that nothing is whole when nothing is", async (text, why) => {
    writeFileSync(file("state"), text);
    await expect(store.load()).rejects.toMatchObject({
      code: "BAD_FILE",
      message: `No state in ${directory} is whole.`,
      why: `${file("state")}: ${why} It is ${file("state.damaged")} now.`,
    });
    // What was put aside is not looked at again.
    expect(await store.load()).toEqual({ accepted: null, damaged: [] });
  });

  it("belongs to one process at a time", () => {
    expect(() => new Store(directory)).toThrow(expect.objectContaining({ code: "CONFLICT" }));
    store.close();
    store.close();
    store = new Store(directory);
  });

  it.skipIf(cannotMount)("says when the disk is full, and keeps what it has", async () => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16k", "tmpfs", directory]);
    try {
      await reopened();
      await store.save(accepted(1));
      const large = {
        ...accepted(2),
        deadlines: Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`${index}`, 0])),
      };
      await expect(store.save(large)).rejects.toMatchObject({
        code: "KERNEL",
        message: `The balancer's state could not be saved in ${directory}.`,
        why: expect.stringContaining("ENOSPC"),
        fix: expect.stringContaining(`df ${directory}`),
      });
      expect(readdirSync(directory)).toEqual(["state"]);
      expect((await reopened()).accepted).toEqual(accepted(1));
      await store.save(accepted(2));
      expect((await reopened()).accepted).toEqual(accepted(2));
    } finally {
      store.close();
      execFileSync("umount", [directory]);
    }
  });

  it("says when its directory cannot be made", () => {
    writeFileSync(file("file"), "");
    expect(() => new Store(file("file/below"))).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});
