/** What a process calls itself is shown as it is, but for what would steer a terminal. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { processesThat } from "./processes.ts";

test.skipIf(process.platform !== "linux")(
  "a process with control characters in its name is found, and printed without them",
  async () => {
    const script = 'process.title = "a\\x1b[31mb"; console.log("ready"); setInterval(() => {}, 1 << 30);';
    const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill());
    await once(child.stdout, "data");
    expect(processesThat((pid) => pid === child.pid)).toEqual([{ pid: child.pid, command: "a·[31mb" }]);
  },
);

test.skipIf(process.platform !== "linux")("a process that cannot be looked at is none", () => {
  const found = processesThat(() => {
    throw new Error("it has ended");
  });
  expect(found).toEqual([]);
});
