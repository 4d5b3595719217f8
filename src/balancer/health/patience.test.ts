/** Patience with a backend while this process has no time to listen. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Patience } from "./patience.ts";

function busy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

it("is over after its time, and not when it was ended", async () => {
  const over = await new Promise<number>((resolve) => {
    const begin = performance.now();
    new Patience(0.2, () => resolve(performance.now() - begin));
  });
  expect(over).toBeGreaterThan(190);
  let called = false;
  new Patience(0.05, () => {
    called = true;
  }).end();
  await sleep(150);
  expect(called).toBe(false);
});

it("does not count what this process spent elsewhere: an answer that came meanwhile is heard first", async () => {
  const heard: string[] = [];
  const patience = new Patience(0.2, () => heard.push("over"));
  busy(600);
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(heard).toEqual([]);
  patience.end();
});
