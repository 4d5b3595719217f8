/** What a service manager hears, with Python as the one that listens. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { hasTool } from "../../test/own-network.ts";
import { notifyServiceManager } from "./service-manager.ts";

const directory = mkdtempSync(join(tmpdir(), "wirescript-notify-"));
afterAll(() => rmSync(directory, { recursive: true }));

const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind("\\0" + name[1:] if name[0] == "@" else name)
print("bound", flush=True)
print(s.recv(100).decode())
`;

const python = hasTool("python3");
test.skipIf(!python).each([join(directory, "notify"), `@wirescript-notify-${process.pid}`])(
  `%s hears what it is told${python ? "" : " (skipped: needs python3)"}`,
  async (path) => {
    const listener = spawn("python3", ["-c", LISTENER, path], { stdio: ["ignore", "pipe", "inherit"] });
    let heard = "";
    listener.stdout.on("data", (chunk) => {
      heard += chunk;
    });
    await once(listener.stdout, "data");
    expect(notifyServiceManager("READY=1\nSTATUS=fine", path)).toBe(true);
    await once(listener, "close");
    expect(heard).toBe("bound\nREADY=1\nSTATUS=fine\n");
  },
);

test("without a manager nobody is told, and nothing fails", () => {
  expect(notifyServiceManager("READY=1", undefined)).toBe(false);
  expect(notifyServiceManager("READY=1", join(directory, "nobody"))).toBe(false);
  expect(notifyServiceManager("READY=1", "relative")).toBe(false);
  expect(notifyServiceManager("READY=1", `/${"x".repeat(200)}`)).toBe(false);
});
