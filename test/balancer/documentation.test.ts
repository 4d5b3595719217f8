/** docs/balancer.md against what there is: its document is valid, its reasons and routes exist, and its commands are known. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readDocument } from "../../src/balancer/document.ts";
import { balancerCommand } from "../../src/cli/commands/balancer.ts";
import { Reason } from "../../src/programs/balancer-maps.bpf.ts";

const PAGE = readFileSync(new URL("../../docs/balancer.md", import.meta.url), "utf8");

test("its document is one", () => {
  const [, text = ""] = /```yaml\n([\s\S]+?)```/.exec(PAGE) ?? [];
  const state = readDocument(text);
  expect(state.services).toMatchObject([{ name: "web", mode: "nat", check: { path: "/healthz", interval: 2 } }]);
  expect(state.services[0]?.backends.map(({ weight }) => weight)).toEqual([100, 100, 50]);
});

test("its verbs and options are known", () => {
  const verbs = new Map(balancerCommand().commands.map((command) => [command.name(), command]));
  const lines = [...PAGE.matchAll(/^# wirescript balancer (\S+)(.*?)(?: {2,}#.*)?$/gm)];
  expect(lines.length).toBeGreaterThan(6);
  for (const [line, verb = "", rest = ""] of lines) {
    const command = verbs.get(verb);
    expect(command, line).toBeDefined();
    for (const [option] of rest.matchAll(/--[a-z-]+/g)) {
      expect(
        command?.options.map(({ long }) => long),
        line,
      ).toContain(option);
    }
  }
});

test("its reasons are counted", () => {
  const [, list = ""] = /by reason what was not simply forwarded \(([\s\S]+?) and others/.exec(PAGE) ?? [];
  const named = [...list.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name.toUpperCase());
  expect(named.length).toBeGreaterThan(5);
  expect(Object.keys(Reason)).toEqual(expect.arrayContaining(named));
});
