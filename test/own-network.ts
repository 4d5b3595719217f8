/** Namespaces of a test's own, gone when it ends, and the tools whose opinion the tests ask for. */
import { execFileSync, spawnSync } from "node:child_process";
import { onTestFinished } from "vitest";
import { createNamespace, deleteNamespace, inNamespace } from "../src/sys/namespaces.ts";
import { addVethPair } from "../src/sys/netlink/index.ts";

let count = 0;

export const isRoot = process.platform === "linux" && process.getuid?.() === 0;

/** Whether a program is on the PATH. */
export function hasTool(name: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;
}

/** A name that no other test and no other process uses; short enough for a device. */
export function uniqueName(): string {
  return `w${process.pid.toString(36)}${(count++).toString(36)}`;
}

/** A fresh namespace's name. It is deleted when the test ends. */
export function freshNamespace(): string {
  const name = uniqueName();
  createNamespace(name);
  onTestFinished(() => void deleteNamespace(name));
  return name;
}

/** A fresh namespace with a veth pair, "a" and "b"; both are down. */
export function vethNamespace(): string {
  const namespace = freshNamespace();
  inNamespace(namespace, () => addVethPair({ name: "a", peerName: "b" }));
  return namespace;
}

/** What iproute2 prints as JSON, run in a namespace. Typed loosely: it is another program's output. */
// biome-ignore lint/suspicious/noExplicitAny: the shape is iproute2's, and the expectations check it.
export function ipJson(namespace: string, ...args: string[]): any[] {
  const output = execFileSync("ip", ["-n", namespace, "-j", "-d", ...args], { encoding: "utf8" });
  return output.trim() === "" ? [] : JSON.parse(output);
}
