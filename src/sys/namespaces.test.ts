/** Named network namespaces, side by side with iproute2. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { freshNamespace, hasTool, isRoot, uniqueName } from "../../test/own-network.ts";
import { createNamespace, deleteNamespace, inNamespace, listNamespaces, NETNS_DIRECTORY } from "./namespaces.ts";
import { listLinks } from "./netlink/link.ts";

const reason = !isRoot ? "needs root" : !hasTool("ip") ? "needs iproute2" : null;

const own = () => readlinkSync("/proc/thread-self/ns/net");

describe.skipIf(reason !== null)(`network namespaces${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  test("`ip netns` lists and enters what we make", () => {
    const name = freshNamespace();
    expect(execFileSync("ip", ["netns", "list"], { encoding: "utf8" })).toContain(name);
    const inode = execFileSync("ip", ["netns", "exec", name, "readlink", "/proc/self/ns/net"], { encoding: "utf8" }).trim();
    expect(inode).toBe(inNamespace(name, own));
    expect(inode).not.toBe(own());
  });

  test("we list, enter and delete what `ip netns` makes", () => {
    const name = uniqueName();
    execFileSync("ip", ["netns", "add", name]);
    onTestFinished(() => void spawnSync("ip", ["netns", "delete", name]));
    expect(listNamespaces()).toContain(name);
    expect(inNamespace(name, listLinks).map((link) => link.name)).toContain("lo");
    expect(deleteNamespace(name)).toBe(true);
    expect(execFileSync("ip", ["netns", "list"], { encoding: "utf8" })).not.toContain(name);
  });

  test("`ip netns` deletes what we make", () => {
    const name = freshNamespace();
    execFileSync("ip", ["netns", "delete", name]);
    expect(listNamespaces()).not.toContain(name);
    expect(deleteNamespace(name)).toBe(false);
  });

  test("the directory is a shared mount, as `ip` leaves it", () => {
    freshNamespace();
    const line = readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .find((mount) => mount.split(" ")[4] === NETNS_DIRECTORY);
    expect(line).toMatch(/ shared:\d+ /);
  });

  test("a file that a killed creation left is cleaned up like a namespace", () => {
    const name = uniqueName();
    freshNamespace();
    writeFileSync(`${NETNS_DIRECTORY}/${name}`, "");
    expect(deleteNamespace(name)).toBe(true);
    expect(existsSync(`${NETNS_DIRECTORY}/${name}`)).toBe(false);
  });

  test("a name that is taken is not taken twice, and stays", () => {
    const name = freshNamespace();
    const inode = inNamespace(name, own);
    expect(() => createNamespace(name)).toThrowError(
      expect.objectContaining({ code: "LAB", message: `There is already a network namespace "${name}".` }),
    );
    expect(inNamespace(name, own)).toBe(inode);
  });

  test("a missing namespace: says which there are", () => {
    const name = freshNamespace();
    const missing = uniqueName();
    expect(() => inNamespace(missing, own)).toThrowError(
      expect.objectContaining({ code: "LAB", why: expect.stringContaining(name) }),
    );
  });

  test.each(["", ".", "..", "a/b", "a\0b"])("%j cannot be a name", (name) => {
    expect(() => createNamespace(name)).toThrowError(expect.objectContaining({ code: "USAGE" }));
  });

  test("comes home after an exception, and from a nested visit", () => {
    const [outer, inner] = [freshNamespace(), freshNamespace()];
    const home = own();
    expect(() =>
      inNamespace(outer, () => {
        const there = own();
        expect(inNamespace(inner, own)).not.toBe(there);
        expect(own()).toBe(there);
        throw new Error("in the middle");
      }),
    ).toThrow("in the middle");
    expect(own()).toBe(home);
  });

  test("an asynchronous function is refused", () => {
    const name = freshNamespace();
    expect(() => inNamespace(name, async () => 1)).toThrow("An asynchronous function was run inside a network namespace.");
  });

  test("a process spawned inside stays inside", () => {
    const name = freshNamespace();
    const child = inNamespace(name, () => execFileSync("readlink", ["/proc/self/ns/net"], { encoding: "utf8" }).trim());
    expect(child).toBe(inNamespace(name, own));
  });

  test("/proc/sys/net is the reading thread's: a setting inside does not touch the outside", () => {
    const name = freshNamespace();
    const path = "/proc/sys/net/ipv4/ip_default_ttl";
    const outside = readFileSync(path, "utf8");
    inNamespace(name, () => writeFileSync(path, "33"));
    expect(inNamespace(name, () => readFileSync(path, "utf8"))).toBe("33\n");
    expect(readFileSync(path, "utf8")).toBe(outside);
    const seen = execFileSync("ip", ["netns", "exec", name, "cat", path], { encoding: "utf8" });
    expect(seen).toBe("33\n");
  });
});
