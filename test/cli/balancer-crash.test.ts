/**
 * The balancer killed (SIGKILL) in the middle of changes, again and again: what was accepted is there afterwards, the maps hold exactly that, and the
 * program was on its device all the time.
 */
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as after } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { State } from "../../src/balancer/contract.ts";
import { cannotRun, Sandbox, titled } from "./sandbox.ts";

const CRASHER = join(import.meta.dirname, "balancer-crasher.js");
const ROUNDS = 6;

interface Accepted {
  revision: number;
  state: State;
}

interface Found extends Accepted {
  devices: number;
  /** Slots, by service and backend. */
  services: number[][];
  keys: number;
  vips: number;
  backends: number;
  generations: boolean;
}

describe.skipIf(cannotRun !== null)(titled("a balancer that is killed"), () => {
  let box: Sandbox;
  const args = (task: string, seed = 1) => [CRASHER, join(box.directory, "state"), `crash${process.pid}`, task, String(seed)];

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth("lb0");
    box.output("ip", "address", "add", "10.7.0.254/24", "dev", "lb0");
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
  });
  afterAll(() => {
    box?.run("rm", ["-rf", "/sys/fs/bpf/wirescript"]);
    box?.[Symbol.dispose]();
  });

  /** Lets it change states until it has said so `changes` times and `milliseconds` more, kills it, and gives what it has said last. */
  async function killed(seed: number, changes: number, milliseconds: number): Promise<Accepted> {
    const child = box.spawn(process.execPath, args("write", seed));
    let errors = "";
    child.stderr?.on("data", (text) => {
      errors += text;
    });
    let last: string | undefined;
    let said = 0;
    // stdio says so
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      last = line;
      if (++said !== changes) continue;
      await after(milliseconds);
      child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    expect([errors, child.signalCode]).toEqual(["", "SIGKILL"]);
    return JSON.parse(last ?? "{}") as Accepted;
  }

  test(`${ROUNDS} times`, async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      const last = await killed(round, 1 + (round % 4), round * 3);
      // The link holds the program: nobody runs now.
      expect(box.output("ip", "-details", "link", "show", "lb0")).toContain("prog/xdp id");
      const found = JSON.parse(box.output(process.execPath, ...args("look"))) as Found;
      // One more may have been written that nobody was told of.
      expect([last.revision, last.revision + 1]).toContain(found.revision);
      if (found.revision === last.revision) expect(found.state).toEqual(last.state);
      const { services } = found.state;
      expect(found).toMatchObject({
        devices: 1,
        keys: services.length,
        vips: new Set(services.map(({ address }) => address)).size,
        backends: services.reduce((sum, { backends }) => sum + backends.length, 0),
        generations: true,
      });
      for (const [index, slots] of found.services.entries()) {
        const taking = services[index]?.backends.some(({ weight, drain }) => weight > 0 && !drain) ?? false;
        expect(slots.reduce((sum, each) => sum + each, 0)).toBe(taking ? 251 : 0);
      }
    }
  });
});
