import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRoot } from "../../test/own-network.ts";
import { withLock } from "./lock.ts";
import {
  beginSetup,
  currentLab,
  deselectLab,
  findState,
  highestNumber,
  type LabState,
  listLabs,
  openStateDirectory,
  readState,
  rememberNumber,
  removeIfUnused,
  selectLab,
  writeState,
} from "./state.ts";

let parent: string;
let directory: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "wirescript-state-"));
  directory = join(parent, "labs");
});

afterEach(() => rmSync(parent, { recursive: true }));

const LAB: LabState = {
  name: "test",
  number: 26,
  insideMac: "02:00:00:00:00:02",
  outsideMac: "02:00:00:00:00:01",
  legacyIp: true,
  vlan: false,
};

describe.skipIf(process.platform !== "linux")("the state of labs (skipped on other systems than Linux)", () => {
  test("a lab is read as it was written", () => {
    openStateDirectory(directory);
    writeState(directory, LAB);
    expect(readState(directory, "test")).toEqual(LAB);
    expect(listLabs(directory)).toEqual(["test"]);
  });

  test("a shell that sources the file gets the tutorial's variables", () => {
    openStateDirectory(directory);
    writeState(directory, LAB);
    const names = [
      "IP6_PREFIX",
      "IP4_PREFIX",
      "INSIDE_IP6",
      "INSIDE_IP4",
      "INSIDE_MAC",
      "OUTSIDE_IP6",
      "OUTSIDE_IP4",
      "OUTSIDE_MAC",
    ];
    const script = `. ${join(directory, "test.state")}; for v in ${names.join(" ")} ENABLE_IPV4 ENABLE_VLAN; do eval echo "$v=\\$$v"; done`;
    expect(execFileSync("sh", ["-c", script], { encoding: "utf8" }).trim().split("\n")).toEqual([
      "IP6_PREFIX=fc00:dead:cafe:1a::",
      "IP4_PREFIX=10.11.26.",
      "INSIDE_IP6=fc00:dead:cafe:1a::2",
      "INSIDE_IP4=10.11.26.2",
      "INSIDE_MAC=02:00:00:00:00:02",
      "OUTSIDE_IP6=fc00:dead:cafe:1a::1",
      "OUTSIDE_IP4=10.11.26.1",
      "OUTSIDE_MAC=02:00:00:00:00:01",
      "ENABLE_IPV4=1",
      "ENABLE_VLAN=0",
    ]);
  });

  test.each([
    ["plain", (name: string, value: string) => `${name}=${value}`],
    ["exported", (name: string, value: string) => `export ${name}="${value}"`],
    ["declared", (name: string, value: string) => `declare -- ${name}="${value}"`],
  ])("%s assignments are understood", (_name, line) => {
    openStateDirectory(directory);
    const variables = {
      IP6_PREFIX: "fc00:dead:cafe:1a::",
      INSIDE_MAC: LAB.insideMac,
      OUTSIDE_MAC: LAB.outsideMac,
      ENABLE_IPV4: "1",
    };
    writeFileSync(
      join(directory, "test.state"),
      Object.entries(variables)
        .map(([name, value]) => line(name, value))
        .join("\n"),
    );
    expect(readState(directory, "test")).toEqual(LAB);
  });

  test("a file that is no state is reported with its path", () => {
    openStateDirectory(directory);
    writeFileSync(join(directory, "test.state"), "rubbish");
    expect(() => readState(directory, "test")).toThrowError(
      expect.objectContaining({ code: "LAB", why: expect.stringContaining(join(directory, "test.state")) }),
    );
  });

  test("a lab that is not there: says which there are", () => {
    openStateDirectory(directory);
    writeState(directory, LAB);
    expect(findState(directory, "other")).toBeNull();
    expect(() => readState(directory, "other")).toThrowError(
      expect.objectContaining({ message: "Environment for other doesn't seem to exist", why: "There are test." }),
    );
  });

  test("the selected lab is remembered until it is deselected", () => {
    openStateDirectory(directory);
    expect(currentLab(directory)).toBeNull();
    selectLab(directory, "test");
    deselectLab(directory, "other");
    expect(currentLab(directory)).toBe("test");
    deselectLab(directory, "test");
    expect(currentLab(directory)).toBeNull();
  });

  test("the highest number is decimal and never falls", () => {
    openStateDirectory(directory);
    expect(highestNumber(directory)).toBe(0);
    rememberNumber(directory, 26);
    rememberNumber(directory, 3);
    expect(highestNumber(directory)).toBe(26);
    expect(readFileSync(join(directory, "highest_num"), "utf8")).toBe("26\n");
  });

  test("the directory goes with the last lab, and not with a file that is not ours in it", () => {
    openStateDirectory(directory);
    writeState(directory, LAB);
    rememberNumber(directory, 26);
    removeIfUnused(directory);
    expect(existsSync(directory)).toBe(true);
    rmSync(join(directory, "test.state"));
    beginSetup(directory, "test");
    removeIfUnused(directory);
    expect(existsSync(directory)).toBe(true);
    rmSync(join(directory, "test.setup"));
    writeFileSync(join(directory, "notes"), "");
    removeIfUnused(directory);
    expect(readdirSync(directory)).toEqual(["notes"]);
    rmSync(join(directory, "notes"));
    removeIfUnused(directory);
    expect(existsSync(directory)).toBe(false);
  });

  test("only its owner can read or write it", () => {
    openStateDirectory(directory);
    writeState(directory, LAB);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, "test.state")).mode & 0o777).toBe(0o600);
  });

  test("a directory that others may write to, or a link to one, is refused", () => {
    mkdirSync(directory);
    chmodSync(directory, 0o777);
    expect(() => openStateDirectory(directory)).toThrowError(expect.objectContaining({ why: "Other users may write to it." }));
    symlinkSync(parent, join(parent, "link"));
    expect(() => openStateDirectory(join(parent, "link"))).toThrowError(
      expect.objectContaining({ why: "It is no directory." }),
    );
  });

  test.skipIf(!isRoot)("a directory of somebody else's is refused (skipped without root)", () => {
    mkdirSync(directory, { mode: 0o700 });
    chownSync(directory, 12345, 12345);
    expect(() => openStateDirectory(directory)).toThrowError(
      expect.objectContaining({ why: expect.stringContaining("user 12345") }),
    );
  });

  test("the lock admits one at a time, and leaves nothing", async () => {
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => withLock(directory, work)));
    expect(most).toBe(1);
    expect(readdirSync(parent)).toEqual([]);
  });

  test("the lock is released after an exception", async () => {
    const fail = withLock(directory, () => {
      throw new Error("in the middle");
    });
    await expect(fail).rejects.toThrow("in the middle");
    await expect(withLock(directory, () => 1)).resolves.toBe(1);
  });
});
