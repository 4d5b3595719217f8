/** Labs with hosts on the real kernel: who reaches whom, by what, and that nothing is left, also after a failure in the middle. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { hasTool, ipJson, isRoot, uniqueName } from "../../../test/own-network.ts";
import { createNamespace, deleteNamespace, listNamespaces } from "../../sys/namespaces.ts";
import { spawnInLab } from "../exec.ts";
import { ping } from "../ping.ts";
import { pinDirectory } from "../pins.ts";
import { setup } from "../setup.ts";
import { beginSetup, openStateDirectory, writeNetworkState } from "../state.ts";
import { formatStatus, status } from "../status.ts";
import { teardown } from "../teardown.ts";
import {
  allPairs,
  type Network,
  type NetworkOptions,
  openNetwork,
  pingPairs,
  resetNetwork,
  setupNetwork,
  teardownNetwork,
} from "./index.ts";

const reason = !isRoot ? "needs root" : !hasTool("ip") ? "needs iproute2" : null;

let parent: string;
let stateDirectory: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "wirescript-network-"));
  stateDirectory = join(parent, "labs");
});

afterEach(() => rmSync(parent, { recursive: true, force: true }));

/** A lab with hosts that goes when the test ends, whatever became of it. */
async function makeNetwork(options: Partial<NetworkOptions> = {}): Promise<Network> {
  const name = options.name ?? uniqueName();
  onTestFinished(() => removeByHand(name));
  return await setupNetwork({ hosts: 3, stateDirectory, ...options, name });
}

const namespacesLike = (name: string) => listNamespaces().filter((each) => each === name || each.startsWith(`${name}-`));

function removeByHand(name: string): void {
  for (const namespace of namespacesLike(name)) {
    deleteNamespace(namespace);
    rmSync(pinDirectory(namespace), { recursive: true, force: true });
  }
}

/** All that a lab of that name could leave. */
const leftOf = (name: string) => [...namespacesLike(name), ...(existsSync(stateDirectory) ? readdirSync(stateDirectory) : [])];

describe.skipIf(reason !== null)(`a lab with hosts${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  test.each(["switch", "router"] as const)("with a %s: each host reaches each other one over both families", async (middle) => {
    const network = await makeNetwork({ middle, hosts: 4 });
    const hops = new Set<number | null>();
    let ways = 0;
    for await (const { from, to, destination, result } of pingPairs(allPairs(network))) {
      expect(result, `host ${from.number} to host ${to.number}, ${destination}`).toMatchObject({ sent: 1, received: 1 });
      for (const { ttl } of result.probes) hops.add(ttl);
      ways++;
    }
    expect(ways).toBe(4 * 3 * 2);
    // IPv6 does not tell. A switch does not count as a hop.
    expect(hops).toEqual(new Set([null, middle === "switch" ? 64 : 63]));
  });

  test("has the names and addresses of its plan, seen by `ip`", async () => {
    const { name, hosts } = await makeNetwork({ middle: "switch", hosts: 2 });
    expect(namespacesLike(name)).toEqual([name, `${name}-1`, `${name}-2`]);
    const ports = ipJson(name, "link", "show", "master", "switch");
    expect(ports.map(({ ifname, address, operstate }) => [ifname, address, operstate])).toEqual([
      ["host1", "02:00:00:00:01:01", "UP"],
      ["host2", "02:00:00:00:01:02", "UP"],
    ]);
    const [inside] = ipJson(`${name}-2`, "address", "show", "veth0");
    expect(inside.address).toBe("02:00:00:00:00:02");
    const addresses = inside.addr_info.map((each: { local: string; prefixlen: number }) => `${each.local}/${each.prefixlen}`);
    expect(addresses).toEqual(expect.arrayContaining(["10.12.0.2/24", "fc00:dead:beef::2/64"]));
    expect(hosts[1]).toMatchObject({ ip4: "10.12.0.2", ip6: "fc00:dead:beef::2", mac: "02:00:00:00:00:02" });
    // The program that lets XDP_TX and XDP_REDIRECT arrive.
    expect(inside.xdp.prog.name).toBe("xdp_pass");
  });

  test("with a router, has a network for each host, and the router as its way out", async () => {
    const { name } = await makeNetwork({ middle: "router", hosts: 2 });
    const routes = [...ipJson(`${name}-2`, "-4", "route"), ...ipJson(`${name}-2`, "-6", "route")];
    for (const gateway of ["10.12.2.1", "fc00:dead:beef:2::1"])
      expect(routes).toContainEqual(expect.objectContaining({ dst: "default", gateway, dev: "veth0" }));
    expect(ipJson(name, "-4", "route").map(({ dst, dev }) => [dst, dev])).toEqual([
      ["10.12.1.0/24", "host1"],
      ["10.12.2.0/24", "host2"],
    ]);
  });

  test("two of them have the same addresses and do not meet", async () => {
    const [one, other] = [await makeNetwork({ hosts: 2 }), await makeNetwork({ hosts: 3 })];
    expect(one.host(2).ip4).toBe(other.host(2).ip4);
    const lost = await ping({ destination: other.host(3).ip4, namespace: one.host(1).namespace, timeoutMs: 200 });
    expect(lost.received).toBe(0);
  });

  test("is the selected one, opened by its name, and told about by status", async () => {
    const said: string[] = [];
    const { name } = await makeNetwork({ hosts: 2, say: (line) => void said.push(line) });
    expect(said).toEqual([`Setting up new environment '${name}'`, `Setup environment '${name}' with a switch and 2 hosts.`]);
    expect(openNetwork({ stateDirectory }).hosts.map(({ namespace }) => namespace)).toEqual([`${name}-1`, `${name}-2`]);
    expect(() => openNetwork({ stateDirectory }).host(3)).toThrow(`Environment '${name}' has no host 3.`);
    expect(formatStatus(status({ stateDirectory }))).toEqual([
      `Currently selected environment: ${name}`,
      `  Middle:  a switch, in namespace ${name}`,
      `  Host 1:  ${name}-1  veth0 UP  10.12.0.1  fc00:dead:beef::1  at host1 UP`,
      `  Host 2:  ${name}-2  veth0 UP  10.12.0.2  fc00:dead:beef::2  at host2 UP`,
      "",
      "All existing environments:",
      `  ${name}`,
    ]);
  });

  test("runs commands at a host", async () => {
    const network = await makeNetwork({ hosts: 2 });
    const child = spawnInLab({ name: network.host(2).namespace }, ["cat", "/sys/class/net/veth0/address"], { stdio: "pipe" });
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    await new Promise((resolve) => child.once("close", resolve));
    expect(output).toBe("02:00:00:00:00:02\n");
  });

  test("ends with its block, or by teardown, with its pins; and what is half gone ends too", async () => {
    const name = uniqueName();
    {
      await using network = await makeNetwork({ name });
      expect(namespacesLike(network.name)).toHaveLength(4);
    }
    expect(leftOf(name)).toEqual([]);
    await makeNetwork({ name });
    deleteNamespace(`${name}-2`);
    expect(formatStatus(status({ stateDirectory })).join("\n")).toMatch(/Host 2: {2}\(gone\)/);
    expect(await teardownNetwork({ stateDirectory })).toMatchObject({ name, missing: [`${name}-2`], processes: [] });
    expect(leftOf(name)).toEqual([]);
  });

  test("keeps its hosts over a reset", async () => {
    const { name } = await makeNetwork({ middle: "router", hosts: 2 });
    const before = namespaceInode(`${name}-2`);
    expect(await resetNetwork({ stateDirectory })).toMatchObject({
      name,
      middle: "router",
      hosts: [{ number: 1 }, { number: 2 }],
    });
    expect(namespaceInode(`${name}-2`)).not.toBe(before);
  });

  test("takes no name that is taken, by a lab or by anything else", async () => {
    const { name } = await makeNetwork({ hosts: 2 });
    const exists = { code: "LAB", message: `Environment for '${name}' already exists` };
    await expect(setupNetwork({ name, hosts: 2, stateDirectory })).rejects.toMatchObject(exists);
    await expect(setup({ name, stateDirectory })).rejects.toMatchObject(exists);
    expect(namespacesLike(name)).toHaveLength(3);

    const other = uniqueName();
    createNamespace(`${other}-2`);
    await expect(makeNetwork({ name: other })).rejects.toMatchObject({
      code: "LAB",
      message: `The name '${other}-2' is taken.`,
    });
    expect(namespacesLike(other)).toEqual([`${other}-2`]);
  });

  test.each([0, 1, 101, 2.5])("of %d hosts there is none", async (hosts) => {
    await expect(makeNetwork({ hosts })).rejects.toMatchObject({
      code: "USAGE",
      message: `There cannot be ${hosts} hosts in a lab.`,
    });
  });

  test("interrupted in the middle: all is taken away", async () => {
    const name = uniqueName();
    const abort = new AbortController();
    const made: number[] = [];
    // What is queued runs when all has been made, and its first wait begins.
    const say = () =>
      queueMicrotask(() => {
        made.push(namespacesLike(name).length);
        abort.abort();
      });
    await expect(makeNetwork({ name, say, signal: abort.signal })).rejects.toMatchObject({ code: "INTERRUPTED" });
    expect(made[0]).toBe(4);
    expect(leftOf(name)).toEqual([]);
  });

  test.each(["setup of hosts", "setup of one host", "teardown"])(
    "killed in the middle: the next %s takes away what it left",
    async (next) => {
      const name = uniqueName();
      onTestFinished(() => removeByHand(name));
      // What a setup has done when it is killed: the note, what it is about to make, and a part of that.
      openStateDirectory(stateDirectory);
      beginSetup(stateDirectory, name);
      writeNetworkState(stateDirectory, { name, middle: "switch", hosts: 3 });
      createNamespace(name);
      createNamespace(`${name}-1`);
      expect(status({ stateDirectory }).unfinished).toEqual([name]);
      if (next === "teardown") {
        expect((await teardownNetwork({ stateDirectory, name })).removed).toEqual([name, `${name}-1`]);
      } else if (next === "setup of hosts") {
        await makeNetwork({ name, hosts: 2 });
        expect(namespacesLike(name)).toHaveLength(3);
        await teardownNetwork({ stateDirectory, name });
      } else {
        await setup({ name, stateDirectory });
        expect(namespacesLike(name)).toEqual([name]);
        await teardown({ stateDirectory, name });
      }
      expect(leftOf(name)).toEqual([]);
    },
  );
});

const namespaceInode = (name: string) => execFileSync("stat", ["-c", "%i", `/run/netns/${name}`], { encoding: "utf8" });
