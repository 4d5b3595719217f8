/** docs/doctor.md describes exactly the findings that there are, in the order in which they are shown. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CHECKS, PACKET_FINDINGS, WATCH_FINDINGS } from "../../src/doctor/index.ts";

test("the document has a heading for each finding", () => {
  const text = readFileSync("docs/doctor.md", "utf8").split("\n## Findings\n")[1] ?? "";
  const [ofDevices = "", ofPackets = "", ofWatching = ""] = text.split(/\n## Findings (?:about a packet|while it watches)\n/);
  const headings = [...ofDevices.matchAll(/^### (\S+)$/gm)].map(([, id]) => id);
  expect(headings).toEqual(CHECKS.map(({ id }) => id));
  expect([...ofPackets.matchAll(/^### (\S+)$/gm)].map(([, id]) => id)).toEqual(PACKET_FINDINGS);
  expect([...ofWatching.matchAll(/^### (\S+)$/gm)].map(([, id]) => id)).toEqual(WATCH_FINDINGS);
});
