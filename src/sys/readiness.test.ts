/** Waiting for descriptors in Node's event loop, and memory shared with the kernel. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { MappedMemory, MMAN } from "./mapped-memory.ts";
import { pageSize } from "./page-size.ts";
import { PERF, PERF_FIELDS, PERF_SIZE } from "./perf-event.ts";
import { EPOLL, EPOLL_EVENT_SIZE, Readiness } from "./readiness.ts";

const compiler = ["cc", "clang-19"].find((name) => spawnSync(name, ["--version"]).status === 0);

describe.skipIf(compiler === undefined)("numbers of mmap, epoll and perf events (skipped without a C compiler)", () => {
  test("are those of the C headers", () => {
    const directory = mkdtempSync(join(tmpdir(), "wirescript-numbers-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const ours: [string, number][] = [
      ...Object.entries({ ...MMAN, ...EPOLL, ...PERF }),
      ["sizeof(struct epoll_event)", EPOLL_EVENT_SIZE],
      ...Object.entries(PERF_SIZE).map(([name, size]): [string, number] => [`sizeof(struct ${name})`, size]),
      ...Object.entries(PERF_FIELDS).flatMap(([struct, fields]) =>
        Object.entries(fields).map(([field, offset]): [string, number] => [`offsetof(struct ${struct}, ${field})`, offset]),
      ),
      ["sysconf(_SC_PAGESIZE)", pageSize()],
    ];
    const headers = ["stdio.h", "stddef.h", "unistd.h", "sys/mman.h", "sys/epoll.h", "linux/perf_event.h"];
    const lines = ours.map(([expression]) => `printf("%lld\\n", (long long)(${expression}));`);
    writeFileSync(
      join(directory, "print.c"),
      ["#define _GNU_SOURCE", ...headers.map((header) => `#include <${header}>`), "int main(void) {", ...lines, "}"].join("\n"),
    );
    execFileSync(compiler ?? "cc", ["-o", "print", "print.c"], { cwd: directory, stdio: "pipe" });
    const theirs = execFileSync(join(directory, "print"), { encoding: "utf8" }).trim().split("\n").map(Number);
    expect(ours.map(([name, value]) => [name, value | 0])).toEqual(ours.map(([name], i) => [name, (theirs[i] ?? 0) | 0]));
  });
});

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "wirescript-readiness-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

describe.skipIf(process.platform !== "linux")("waiting (skipped: needs Linux)", () => {
  function fifo(): number {
    const path = join(temporaryDirectory(), "fifo");
    execFileSync("mkfifo", [path]);
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    onTestFinished(() => closeSync(fd));
    return fd;
  }
  const readable = (watch: Readiness) => new Promise<void>((resolve) => watch.wait(resolve));
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

  test("tells once for what was there before, then for each time that more comes", async () => {
    const [first, second] = [fifo(), fifo()];
    writeSync(first, "x");
    using watch = new Readiness([first, second]);
    await readable(watch);
    // The edge of what was there, if it came apart from the first answer.
    for (let turns = 0; turns < 20; turns++) await turn();
    watch.wait(() => {});
    for (let turns = 0; turns < 20; turns++) await turn();
    let told = false;
    watch.wait(() => {
      told = true;
    });
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(told).toBe(false);
    writeSync(second, "y");
    await expect.poll(() => told).toBe(true);
    expect(readSync(first, Buffer.alloc(8))).toBe(1);
  });

  test("tells at the next wait what came while nobody waited, and nothing after it is closed", async () => {
    const fd = fifo();
    const watch = new Readiness([fd]);
    watch.wait(() => {
      throw new Error("cancelled");
    });
    watch.cancel();
    writeSync(fd, "x");
    await turn();
    await readable(watch);
    watch.wait(() => {
      throw new Error("closed");
    });
    writeSync(fd, "x");
    watch.close();
    watch.close();
    watch.ref();
    watch.unref();
    watch.cancel();
    watch.wait(() => {
      throw new Error("closed");
    });
    for (let turns = 0; turns < 20; turns++) await turn();
  });
});

describe.skipIf(process.platform !== "linux")("mapped memory (skipped: needs Linux)", () => {
  test("is shared while it is open; afterwards it reads as zeros and takes writes without effect", () => {
    const path = join(temporaryDirectory(), "file");
    writeFileSync(path, Buffer.alloc(pageSize(), 7));
    const fd = openSync(path, "r+");
    onTestFinished(() => closeSync(fd));
    using memory = new MappedMemory(fd, pageSize(), { writable: true });
    const { bytes } = memory;
    expect(bytes[9]).toBe(7);
    bytes[9] = 8;
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, 9);
    expect(byte[0]).toBe(8);
    memory.close();
    memory.close();
    expect([memory.closed, bytes[9]]).toEqual([true, 0]);
    bytes[10] = 1;
    readSync(fd, byte, 0, 1, 10);
    expect(byte[0]).toBe(7);
  });
});
