/**
 * Where faults are built: a "hub" namespace in the middle, and hosts behind veth pairs, as a redirector or a router has them. The hub's devices are
 * called after the hosts ("left", "right"), each host has "veth0". Everything goes when the test ends.
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { expect, onTestFinished } from "vitest";
import { main } from "../../src/cli/main.ts";
import { compile } from "../../src/compiler/compile.ts";
import { diagnose, type Finding, type SnapshotOptions } from "../../src/doctor/index.ts";
import { type LoadedObject, type LoadOptions, loadSpec } from "../../src/index.ts";
import { ping } from "../../src/lab/index.ts";
import { attachPersistently } from "../../src/runtime/links/xdp-netlink.ts";
import { type Offloads, setOffloads } from "../../src/sys/ethtool.ts";
import { enterNamespace, inNamespace } from "../../src/sys/namespaces.ts";
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
    const { mode = "native", netns = this.hub, ...loading } = options;
    const { spec } = compile(sourceOf(`programs/${file}.bpf.ts`));
    const object = loadSpec(spec, loading);
    onTestFinished(() => object.close());
    const [program] = spec.programs.map((each) => each.name);
    if (program === undefined) throw new Error(`${file} has no program`);
    attachPersistently(object.program(program), { dev: device, netns, mode, force: true });
    return object;
  }

  /** What the doctor finds at devices of the hub. */
  findings(...devices: string[]): Finding[] {
    return diagnose({ devices, netns: this.hub }).findings;
  }

  ids(...devices: string[]): string[] {
    return this.findings(...devices).map(({ id }) => id);
  }
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

/** Runs the command that a finding prints, as a person would who copies it. */
export async function apply({ fix }: Finding): Promise<void> {
  const words = fix.command.split(" ");
  if (words[0] !== "wirescript") return void sh(fix.command);
  // Ours runs in this process, from source. It enters namespaces for good, so somebody has to come back.
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    expect(await main(words.slice(1))).toBe(0);
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
