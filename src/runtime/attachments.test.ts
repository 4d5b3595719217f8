/** One spelling for attachments, wherever they are listed. */
import { expect, test } from "vitest";
import { describeAttachment, describeHook } from "./attachments.ts";

const eth0 = { dev: "eth0", netns: null, linkId: null, mode: null, filter: null };

test("XDP is told with its mode", () => {
  expect(describeAttachment({ ...eth0, hook: "xdp", mode: "native" })).toBe("eth0 (xdp native)");
});

test("a link is named, and another namespace too", () => {
  expect(describeAttachment({ ...eth0, netns: "blue", hook: "tcx ingress", linkId: 7 })).toBe(
    "blue/eth0 (tcx ingress, link 7)",
  );
});

test("a filter is told with its priority", () => {
  const filter = { ...eth0, hook: "clsact egress", filter: { priority: 49152, handle: 1 } } as const;
  expect(describeHook(filter)).toBe("clsact egress priority 49152");
  expect(describeAttachment(filter)).toBe("eth0 (clsact egress priority 49152)");
});
