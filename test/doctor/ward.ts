/**
 * Where faults are built: a "hub" namespace in the middle, and hosts behind veth pairs, as a redirector or a router has them. The hub's devices are
 * called after the hosts ("left", "right"), each host has "veth0". Everything goes when the test ends.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, onTestFinished } from "vitest";
import { main } from "../../src/cli/main.ts";
import { compile } from "../../src/compiler/compile.ts";
import { diagnose, type Finding, type SnapshotOptions } from "../../src/doctor/index.ts";
import { type LoadedObject, type LoadOptions, loadSpec, type ObjectSpec } from "../../src/index.ts";
import { ping } from "../../src/lab/index.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { attachPersistently } from "../../src/runtime/links/xdp-netlink.ts";
import { type Offloads, setOffloads } from "../../src/sys/ethtool.ts";
import { BPFFS_PATH, ensureBpffs, unmountUnlessUsed } from "../../src/sys/mount.ts";
import { enterNamespace, inNamespace, openNamespace } from "../../src/sys/namespaces.ts";
import { getLink, type XdpMode } from "../../src/sys/netlink/index.ts";
import { freshNamespace, hasTool, isRoot } from "../own-network.ts";
import { sourceOf } from "../programs/subject.ts";

const missing = ["ip", "ethtool", "sysctl"].filter((tool) => !hasTool(tool));

/** Why these tests are skipped; null when they are not. */
export const cannotRun: string | null = !isRoot ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

export function titled(title: string): string {
  return cannotRun === null ? title : `${title} (skipped: ${cannotRun})`;
}

export interface Host {
  /** Of its namespace. */
  netns: string;
  address: string;
  mac: string;
}

/** What a device of the lab has: all that XDP needs. */
export const HEALTHY: Partial<Offloads> = { gro: true, txChecksum: false, txVlan: false, rxVlan: false };

export class Ward {
  readonly hub = freshNamespace();
  readonly #hosts = new Map<string, Host>();

  /** A host behind the hub's device `name`. Its other end is as the kernel makes it unless `offloads` says otherwise. */
  host(name: string, address: string, offloads: Partial<Offloads> = HEALTHY): Host {
    const netns = freshNamespace();
    this.ip(`link add name ${name} type veth peer name veth0 netns ${netns}`);
    this.ip(`link set ${name} up`);
    sh(`ip -n ${netns} link set lo up && ip -n ${netns} link set veth0 up`);
    const family = address.includes(":") ? "-6" : "-4";
    sh(`ip -n ${netns} ${family} addr add ${address} dev veth0${family === "-6" ? " nodad" : ""}`);
    inNamespace(netns, () => setOffloads("veth0", offloads));
    inNamespace(this.hub, () => setOffloads(name, HEALTHY));
    const { mac } = inNamespace(netns, () => getLink("veth0"));
    const host = { netns, address: address.split("/")[0] ?? "", mac: mac ?? "" };
    this.#hosts.set(name, host);
    return host;
  }

  /** Two hosts in one network that know each other's MAC address, as if a wire were between them. */
  neighbours(left: Host, right: Host): void {
    for (const [from, to] of [
      [left, right],
      [right, left],
    ] as const) {
      sh(`ip -n ${from.netns} neigh replace ${to.address} lladdr ${to.mac} dev veth0 nud permanent`);
    }
  }

  ip(rest: string): void {
    sh(`ip -n ${this.hub} ${rest}`);
  }

  ifindex(device: string): number {
    return inNamespace(this.hub, () => getLink(device).ifindex);
  }

  /** Attaches a shipped program, with maps of its own. */
  attach(device: string, file: string, options: LoadOptions & { mode?: XdpMode; netns?: string } = {}): LoadedObject {
    return this.#attach(device, compile(sourceOf(`programs/${file}.bpf.ts`)).spec, options);
  }

  /** As `attach`, a module given as text. */
  attachText(device: string, text: string, options: { mode?: XdpMode } = {}): LoadedObject {
    return this.#attach(device, compileText(text), options);
  }

  /** A module given as text, in the kernel and on no device. */
  load(text: string): LoadedObject {
    const object = loadSpec(compileText(text));
    onTestFinished(() => object.close());
    return object;
  }

  #attach(device: string, spec: ObjectSpec, options: LoadOptions & { mode?: XdpMode; netns?: string }): LoadedObject {
    const { mode = "native", netns = this.hub, ...loading } = options;
    const object = loadSpec(spec, loading);
    onTestFinished(() => object.close());
    const [program] = spec.programs.map((each) => each.name);
    if (program === undefined) throw new Error("the module has no program");
    attachPersistently(object.program(program), { dev: device, netns, mode, force: true });
    return object;
  }

  /** An object file of a module given as text, as other loaders take it. */
  compileToObject(text: string): { path: string; section: string } {
    const directory = mkdtempSync(join(tmpdir(), "wirescript-doctor-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const spec = compileText(text);
    const path = join(directory, "module.o");
    writeFileSync(path, writeElf(spec));
    return { path, section: spec.programs[0]?.section ?? "" };
  }

  /** What the doctor finds at devices of the hub. */
  findings(...devices: string[]): Finding[] {
    return diagnose({ devices, netns: this.hub }).findings;
  }

  /** Until nothing is found any more: the kernel takes its time to see that a cable has two ends again. */
  async healthy(...devices: string[]): Promise<void> {
    await expect.poll(() => this.findings(...devices)).toEqual([]);
  }

  ids(...devices: string[]): string[] {
    return this.findings(...devices).map(({ id }) => id);
  }
}

function compileText(text: string): ObjectSpec {
  const file = resolve("test/doctor/module.bpf.ts");
  return compile(file, { overlay: new Map([[file, text]]) }).spec;
}

/** A BPF file system for commands that pin, gone with the test unless somebody else uses it. */
export function withBpffs(): void {
  if (ensureBpffs().mounted) onTestFinished(() => void unmountUnlessUsed(BPFFS_PATH));
}

/** Runs a line of shell. */
export function sh(command: string): string {
  const { status, stdout, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command}: status ${status}\n${stdout}${stderr}`);
  return stdout;
}

export async function reaches(from: Host, address: string): Promise<boolean> {
  const result = await ping({ destination: address, namespace: from.netns, count: 2, intervalMs: 50, timeoutMs: 400 });
  return result.received > 0;
}

/** Runs the command that a finding prints, as a person would who copies it; FILE is theirs to fill in. */
export async function apply({ fix }: Finding, file = ""): Promise<void> {
  const command = fix.command.replace(/\bFILE\b/, file);
  const ours = /^(?:ip netns exec (\S+) )?wirescript (.*)$/.exec(command);
  if (ours === null) return void sh(command);
  // Ours runs in this process, from source. It enters namespaces for good, so somebody has to come back.
  const home = openSync("/proc/thread-self/ns/net", "r");
  const words = [...(ours[2] ?? "").matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
  try {
    if (ours[1] !== undefined) {
      const there = openNamespace(ours[1]);
      enterNamespace(there);
      closeSync(there);
    }
    expect(await main(words)).toBe(0);
  } finally {
    enterNamespace(home);
    closeSync(home);
  }
}

/** The only finding with that id. */
export function only(findings: readonly Finding[], id: string): Finding {
  const found = findings.filter((finding) => finding.id === id);
  expect(
    found.map(({ what }) => what),
    `findings: ${findings.map((finding) => finding.id)}`,
  ).toHaveLength(1);
  return found[0] as Finding; // there is exactly one
}

export function examine(options: SnapshotOptions): Finding[] {
  return diagnose(options).findings;
}
