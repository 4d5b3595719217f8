/** Every number that crosses the boundary to the kernel, against what a C compiler reads in the kernel's headers. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ETHTOOL } from "../ethtool.ts";
import { ADDRESS, LINK, NAMESPACE_ID, NEIGHBOUR, NETLINK, ROUTE, SIZE, TC } from "./constants.ts";

const compiler = ["cc", "clang-19"].find((name) => spawnSync(name, ["--version"]).status === 0);

const HEADERS = [
  "sys/socket.h",
  "linux/netlink.h",
  "linux/rtnetlink.h",
  "linux/if_link.h",
  "linux/if_addr.h",
  "linux/neighbour.h",
  "linux/veth.h",
  "linux/net_namespace.h",
  "linux/pkt_sched.h",
  "linux/pkt_cls.h",
  "linux/if.h",
  "linux/ethtool.h",
  "linux/sockios.h",
];

/** What the compiler makes of integer expressions. */
function evaluate(expressions: string[]): number[] {
  const directory = mkdtempSync(join(tmpdir(), "wirescript-constants-"));
  try {
    const source = join(directory, "print.c");
    const binary = join(directory, "print");
    const lines = expressions.map((expression) => `printf("%lld\\n", (long long)(${expression}));`);
    const includes = ["stdio.h", ...HEADERS].map((header) => `#include <${header}>`);
    writeFileSync(source, [...includes, "int main(void) {", ...lines, "}"].join("\n"));
    execFileSync(compiler ?? "cc", ["-o", binary, source], { stdio: "pipe" });
    return execFileSync(binary, { encoding: "utf8" }).trim().split("\n").map(Number);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe.skipIf(compiler === undefined)("rtnetlink and ethtool numbers (skipped without a C compiler)", () => {
  test("every constant has the value of the kernel's headers", () => {
    const ours = Object.entries({
      ...NETLINK,
      ...LINK,
      ...ADDRESS,
      ...NEIGHBOUR,
      ...ROUTE,
      ...NAMESPACE_ID,
      ...TC,
      ...ETHTOOL,
    });
    // The headers define this mask as the complement of an int; ours is for the 16 bits that a type has.
    const theirs = evaluate(ours.map(([name]) => (name === "NLA_TYPE_MASK" ? "(unsigned short)NLA_TYPE_MASK" : name)));
    expect(ours).toEqual(ours.map(([name], i) => [name, theirs[i]]));
  });

  test("every fixed struct has the size of the kernel's headers", () => {
    const ours = Object.entries(SIZE);
    const theirs = evaluate(ours.map(([name]) => `sizeof(struct ${name})`));
    expect(ours).toEqual(ours.map(([name], i) => [name, theirs[i]]));
  });
});
