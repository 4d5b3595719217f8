/** What a campaign tells while it runs. */
import { expect, test } from "vitest";
import type { Finding } from "../../fuzz/campaign.ts";
import { narrate } from "../../fuzz/narrator.ts";

const finding = (signature: string): Finding => ({ seeds: [1], way: "cpu 3", signature, report: `report of ${signature}` });

test("findings are told at once, each way of failing once, and progress every 200 modules", () => {
  const told: string[] = [];
  const narrator = narrate(500, {
    log: (text: string) => void told.push(text.replace(/=+\n/, "").trim()),
    error: (text: string) => void told.push(text.replace(/\d+ s/, "… s")),
  });
  const run = (count: number) => {
    for (let index = 0; index < count; index++) narrator.progress();
  };
  run(200);
  narrator.found(finding("rejected"));
  narrator.found(finding("rejected"));
  run(200);
  narrator.found(finding("refused"));
  run(100);
  expect(told).toEqual([
    "200 of 500 modules in … s, all agreed",
    "report of rejected",
    "400 of 500 modules in … s, failed in 1 ways",
    "report of refused",
  ]);
});
