/** What the documents of the balancer tell people to type: commands are understood, requests are answered, documents are right. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type App, makeApi } from "../../src/balancer/api/server.ts";
import { readDocument } from "../../src/balancer/document.ts";
import { wirescript } from "../../src/cli/main.ts";
import { noKernel, withoutKernel } from "../kernel.ts";
import type { Method } from "./ask.ts";
import { TestBalancers } from "./test-balancer.ts";

const DOCUMENTS = ["docs/balancer.md", "docs/balancer-api.md"];

const textOf = (document: string): string => readFileSync(document, "utf8");
const blocks = (document: string, language: string): string[] =>
  [...textOf(document).matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, text = ""]) => text);
/** Command lines, without their comments. */
const lines = (document: string): string[] =>
  blocks(document, "console").flatMap((text) => [...text.matchAll(/^# (.*?)(?: {2,}#.*)?$/gm)].map(([, line = ""]) => line));

/** The words of a shell's command line, without expansion. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"((?:\\.|[^"])*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? "",
  );
}

const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];

describe.each(DOCUMENTS)("%s", (document) => {
  const commands = lines(document).filter((line) => line.startsWith("wirescript "));

  test.each(commands)("%s", async (line) => {
    const program = wirescript(() => {});
    let ran = 0;
    for (const command of all(program)) command.action(() => void ran++);
    await program.parseAsync(words(line).slice(1), { from: "user" });
    expect(ran).toBe(1);
  });

  const states = blocks(document, "yaml").filter((text) => /^(devices|services|version):/m.test(text));
  test.each(states)("its documents are right: %#", (text) => {
    expect(readDocument(text).services).toBeDefined();
  });
});

describe.skipIf(noKernel)(`requests of docs/balancer-api.md${withoutKernel}`, () => {
  let balancers: TestBalancers;
  let app: App;
  beforeAll(async () => {
    balancers = new TestBalancers();
    app = await makeApi(await balancers.start(), {});
  });
  afterAll(async () => {
    await app?.close();
    await balancers?.end();
  });

  const requests = lines("docs/balancer-api.md").filter((line) => line.startsWith("curl ") && line.includes(":9092"));
  test("are there", () => expect(requests.length).toBeGreaterThan(8));

  // In their order: each stands on those before. A stream has no end to wait for.
  test.each(requests.filter((line) => !line.includes("/events")))("%s", async (line) => {
    const given = words(line).slice(1);
    const option = (name: string) => (given.includes(name) ? given[given.indexOf(name) + 1] : undefined);
    const url = new URL(given.find((word) => word.startsWith("http://")) ?? "");
    const [, type] = (option("-H") ?? "").split(": ");
    const payload = option("-d");
    const answer = await app.inject({
      method: (option("-X") ?? "GET") as Method,
      url: `${url.pathname}${url.search}`,
      headers: { host: url.host, ...(type !== undefined && { "content-type": type }) },
      ...(payload !== undefined && { payload }),
    });
    expect([answer.statusCode, answer.body]).toEqual([expect.toSatisfy((status: number) => status < 300), expect.any(String)]);
  });

  test("every path of the table is there", async () => {
    const document = (await app.inject({ url: "/openapi.json" })).json();
    const known = new Set(Object.keys(document.paths).map((path) => path.replaceAll(/\{\w+\}/g, "NAME")));
    const table = textOf("docs/balancer-api.md").match(/^\| `\/.*$/gm) ?? [];
    const told = table.flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\/[^`]+)`/g)].map(([, path = ""]) => path));
    // Without somebody to end it for, /stop is not there.
    expect(told.filter((path) => path !== "/stop" && !known.has(path))).toEqual([]);
    expect([...known].filter((path) => !told.includes(path))).toEqual([]);
    for (const [path, operations] of Object.entries(document.paths as Record<string, object>)) {
      const row = table.find((each) => each.split("|")[1]?.includes(`\`${path.replaceAll(/\{\w+\}/g, "NAME")}\``));
      const methods = Object.keys(operations).map((method) => method.toUpperCase());
      expect([path, row?.split("|")[2]?.trim().split(", ").sort()]).toEqual([path, methods.sort()]);
    }
  });
});
