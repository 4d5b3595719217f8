/** Labs on the real kernel: what is made, what is left after failures, and that teardown tells the truth. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { freshNamespace, hasTool, ipJson, isRoot, uniqueName } from "../../test/own-network.ts";
import { isErrno } from "../sys/errno.ts";
import { getOffloads } from "../sys/ethtool.ts";
import { BPFFS_PATH, ensureBpffs } from "../sys/mount.ts";
import { createNamespace, deleteNamespace, inNamespace, inPassingNamespace, listNamespaces } from "../sys/namespaces.ts";
import { addAddress, listAddresses } from "../sys/netlink/address.ts";
import { addVethPair, addVlan, deleteLink, findLink, getLink, setLinkUp } from "../sys/netlink/link.ts";
import { listNeighbours } from "../sys/netlink/neighbour.ts";
import { pinDirectory } from "./pins.ts";
import { planFor } from "./plan.ts";
import { requireIpv6 } from "./preflight.ts";
import { openLab } from "./select.ts";
import { type Lab, type SetupOptions, setup } from "./setup.ts";
import { beginSetup, openStateDirectory } from "./state.ts";
import { formatStatus, status } from "./status.ts";
import { reset, teardown } from "./teardown.ts";

const reason = !isRoot ? "needs root" : !hasTool("ip") ? "needs iproute2" : null;

let parent: string;
let stateDirectory: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "wirescript-lab-"));
  stateDirectory = join(parent, "labs");
});

afterEach(() => rmSync(parent, { recursive: true, force: true }));

/** A lab that goes when the test ends, whatever became of it. */
async function makeLab(options: Partial<SetupOptions> = {}): Promise<Lab> {
  const name = options.name ?? uniqueName();
  onTestFinished(() => removeByHand(name));
  return await setup({ stateDirectory, ...options, name });
}

function removeByHand(name: string): void {
  const link = findLink(name);
  if (link !== null) deleteLink(link.ifindex);
  deleteNamespace(name);
  rmSync(pinDirectory(name), { recursive: true, force: true });
}

/** All that a lab of that name could leave. */
function leftOf(name: string): string[] {
  return [
    ...(findLink(name) === null ? [] : ["link"]),
    ...(listNamespaces().includes(name) ? ["namespace"] : []),
    ...(existsSync(pinDirectory(name)) ? ["pins"] : []),
    ...(existsSync(stateDirectory) ? readdirSync(stateDirectory) : []),
  ];
}

const canMakeVlans = (): boolean => {
  try {
    inPassingNamespace(() => {
      addVethPair({ name: "a", peerName: "b" });
      addVlan({ name: "a.1", parentIfindex: getLink("a").ifindex, vlanId: 1 });
    });
    return true;
  } catch (error) {
    if (isErrno(error, "EOPNOTSUPP")) return false;
    throw error;
  }
};

describe.skipIf(reason !== null)(`a lab${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  test("has the tutorial's addresses, neighbours and routes, seen by `ip`", async () => {
    const { name, plan } = await makeLab({ legacyIp: true });
    const [outside] = JSON.parse(execFileSync("ip", ["-j", "address", "show", name], { encoding: "utf8" }));
    const [inside] = ipJson(name, "address", "show", "veth0");
    const addressesOf = (link: { addr_info: { local: string; prefixlen: number }[] }) =>
      link.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
    expect(addressesOf(outside)).toEqual(expect.arrayContaining([`${plan.ip4?.outside}/24`, `${plan.ip6.outside}/64`]));
    expect(addressesOf(inside)).toEqual(expect.arrayContaining([`${plan.ip4?.inside}/24`, `${plan.ip6.inside}/64`]));
    expect([outside.operstate, inside.operstate]).toEqual(["UP", "UP"]);

    const routes = [...ipJson(name, "-4", "route"), ...ipJson(name, "-6", "route")];
    expect(routes).toContainEqual(expect.objectContaining({ dst: "10.11.0.0/16", gateway: plan.ip4?.outside, dev: "veth0" }));
    expect(routes).toContainEqual(
      expect.objectContaining({ dst: "fc00:dead:cafe::/48", gateway: plan.ip6.outside, dev: "veth0" }),
    );

    const neighbours = [...ipJson(name, "-4", "neigh"), ...ipJson(name, "-6", "neigh")];
    for (const dst of [plan.ip4?.outside, plan.ip6.outside]) {
      expect(neighbours).toContainEqual(expect.objectContaining({ dst, lladdr: outside.address, state: ["PERMANENT"] }));
    }
    const outer = listNeighbours(getLink(name).ifindex).filter(({ state }) => state === "permanent");
    expect(outer.map(({ address, mac }) => [address, mac])).toEqual(
      expect.arrayContaining([plan.ip4?.inside, plan.ip6.inside].map((address) => [address, inside.address])),
    );
  });

  test("has no IPv4 unless asked for", async () => {
    const { name, plan } = await makeLab();
    const addresses = [
      ...listAddresses(getLink(name).ifindex),
      ...inNamespace(name, () => listAddresses(getLink("veth0").ifindex)),
    ];
    expect(addresses.filter(({ family }) => family === 4)).toEqual([]);
    expect(addresses.map(({ address }) => address)).toEqual(expect.arrayContaining([plan.ip6.outside, plan.ip6.inside]));
  });

  test("is quiet, and its frames are whole: settings and offloads of both ends", async () => {
    const { name } = await makeLab();
    const check = (device: string) => {
      for (const setting of [
        "accept_dad",
        "accept_ra",
        "mldv1_unsolicited_report_interval",
        "mldv2_unsolicited_report_interval",
      ]) {
        expect(readFileSync(`/proc/sys/net/ipv6/conf/${device}/${setting}`, "utf8")).toBe("0\n");
      }
      expect(getOffloads(device)).toEqual({ rxVlan: false, txVlan: false, txChecksum: false, gro: true });
    };
    check(name);
    inNamespace(name, () => check("veth0"));
  });

  test("is selected, remembered and told about in the tutorial's words", async () => {
    const said: string[] = [];
    const { name, plan } = await makeLab({ legacyIp: true, say: (line) => void said.push(line) });
    expect(said.filter((line) => !line.startsWith("Mounted "))).toEqual([
      `Setting up new environment '${name}'`,
      `Setup environment '${name}' with peer ip ${plan.ip6.inside} and ${plan.ip4?.inside}.`,
    ]);
    expect(openLab({ stateDirectory })).toMatchObject({ name, legacyIp: true, vlan: false });
    const [outside] = JSON.parse(execFileSync("ip", ["-j", "link", "show", name], { encoding: "utf8" }));
    expect(openLab({ stateDirectory }).outsideMac).toBe(outside.address);

    const lines = formatStatus(status({ stateDirectory }));
    const line = execFileSync("ip", ["netns", "list"], { encoding: "utf8" })
      .split("\n")
      .find((line) => line.split(" ")[0] === name);
    const brief = execFileSync("ip", ["-br", "address", "show", "dev", name], { encoding: "utf8" })
      .trim()
      .replaceAll(/ +/g, " ");
    expect(lines).toEqual([
      `Currently selected environment: ${name}`,
      `  Namespace:      ${line}`,
      `  Prefix:         ${plan.ip6.prefix}/64`,
      `  Legacy prefix:  ${plan.ip4?.prefix}0/24`,
      `  Iface:          ${brief}`,
      "",
      "All existing environments:",
      `  ${name}`,
    ]);
  });

  test("status without labs", () => {
    expect(formatStatus(status({ stateDirectory }))).toEqual([
      "Currently selected environment: None",
      "",
      "All existing environments:",
      "  No environments exist",
    ]);
    expect(existsSync(stateDirectory)).toBe(false);
  });

  test("many stand side by side, made at the same time, each with its own number", async () => {
    // All settled before the first failure is told: a setup that is still going on would outlive the test.
    const outcomes = await Promise.allSettled([makeLab(), makeLab(), makeLab({ legacyIp: true })]);
    const labs = outcomes.map((outcome) => {
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    });
    expect(new Set(labs.map(({ number }) => number)).size).toBe(3);
    expect(status({ stateDirectory }).environments).toEqual(labs.map(({ name }) => name).sort());
    const first = labs[0]?.name ?? "";
    expect((await teardown({ stateDirectory, name: first })).removed).toEqual(["link", "namespace"]);
    const next = await makeLab();
    // Numbers are not used again while there are labs, as in the tutorial.
    expect(labs.map(({ number }) => number)).not.toContain(next.number);
  });

  test("gets a generated name when none is given, and another with generateNew", async () => {
    const first = await setup({ stateDirectory });
    onTestFinished(() => removeByHand(first.name));
    expect(first.name).toMatch(/^xdptut-[0-7][0-9a-f]{3}$/);
    const second = await setup({ stateDirectory, generateNew: true });
    onTestFinished(() => removeByHand(second.name));
    expect(second.name).toMatch(/^xdptut-[0-7][0-9a-f]{3}$/);
    expect(second.name).not.toBe(first.name);
    // Without either, the name is the selected lab's, which exists.
    await expect(setup({ stateDirectory })).rejects.toThrow(`Environment for '${second.name}' already exists`);
  });

  test("keeps its number and options over a reset", async () => {
    const before = await makeLab({ legacyIp: true });
    const after = await reset({ stateDirectory });
    expect(after).toMatchObject({ name: before.name, number: before.number, legacyIp: true });
    expect(after.outsideMac).not.toBe(before.outsideMac);
  });

  test("takes everything with it, pins included, and only its own", async () => {
    const other = await makeLab();
    const { name } = await makeLab();
    for (const lab of [name, other.name]) mkdirSync(join(pinDirectory(lab), "inside", "veth0"), { recursive: true });
    expect(await teardown({ stateDirectory })).toEqual({
      name,
      removed: ["link", "namespace", "pins"],
      missing: [],
      processes: [],
    });
    expect(existsSync(pinDirectory(name))).toBe(false);
    expect(existsSync(pinDirectory(other.name))).toBe(true);
    await expect(teardown({ stateDirectory })).rejects.toThrow(/^No environment selected; use --name/);
    await teardown({ stateDirectory, name: other.name });
    expect(existsSync(stateDirectory)).toBe(false);
  });

  test.each(["link", "namespace", "link and namespace"])("whose %s is gone is torn down, and it says so", async (gone) => {
    const { name } = await makeLab();
    if (gone.includes("link")) deleteLink(getLink(name).ifindex);
    if (gone.includes("namespace")) deleteNamespace(name);
    const result = await teardown({ stateDirectory });
    // Without its namespace, the pair has gone too, unless the kernel has not got round to it.
    expect(result.missing).toEqual(expect.arrayContaining(gone.split(" and ")));
    expect(leftOf(name)).toEqual([]);
  });

  test("whose state file is damaged is torn down all the same", async () => {
    const { name } = await makeLab();
    writeFileSync(join(stateDirectory, `${name}.state`), "rubbish");
    expect((await teardown({ stateDirectory })).removed).toEqual(["link", "namespace"]);
    expect(leftOf(name)).toEqual([]);
  });

  test("names the processes that keep its namespace alive", async () => {
    const { name } = await makeLab();
    const child = inNamespace(name, () => spawn("cat", { stdio: ["pipe", "ignore", "ignore"] }));
    onTestFinished(() => void child.kill("SIGKILL"));
    expect((await teardown({ stateDirectory })).processes).toEqual([{ pid: child.pid, command: "cat" }]);
    expect(leftOf(name)).toEqual([]);
  });

  test("that does not exist cannot be torn down", async () => {
    const { name } = await makeLab();
    await expect(teardown({ stateDirectory, name: "nosuch" })).rejects.toMatchObject({
      code: "LAB",
      message: "Environment for nosuch doesn't seem to exist",
      why: `There are ${name}.`,
    });
  });
});

describe.skipIf(reason !== null)(`a setup that fails${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  test("exists already: the lab stays as it is", async () => {
    const { name, outsideMac } = await makeLab();
    await expect(setup({ stateDirectory, name })).rejects.toMatchObject({
      code: "LAB",
      message: `Environment for '${name}' already exists`,
    });
    expect(getLink(name).mac).toBe(outsideMac);
    expect(openLab({ stateDirectory, name }).outsideMac).toBe(outsideMac);
  });

  test("a namespace has the name: it stays, and nothing else is there", async () => {
    const name = freshNamespace();
    await expect(setup({ stateDirectory, name })).rejects.toMatchObject({
      code: "LAB",
      message: `The name '${name}' is taken.`,
      why: expect.stringContaining("network namespace"),
    });
    expect(leftOf(name)).toEqual(["namespace"]);
  });

  test("a device has the name: it stays, and nothing else is there", async () => {
    const name = uniqueName();
    addVethPair({ name, peerName: uniqueName() });
    onTestFinished(() => removeByHand(name));
    await expect(setup({ stateDirectory, name })).rejects.toMatchObject({
      code: "LAB",
      why: expect.stringContaining("network device"),
    });
    expect(leftOf(name)).toEqual(["link"]);
  });

  test("pins have the name: they stay, and nothing else is there", async () => {
    const name = uniqueName();
    ensureBpffs();
    mkdirSync(join(pinDirectory(name), "somebody"), { recursive: true });
    onTestFinished(() => removeByHand(name));
    await expect(setup({ stateDirectory, name })).rejects.toMatchObject({
      code: "LAB",
      why: expect.stringContaining(BPFFS_PATH),
    });
    expect(leftOf(name)).toEqual(["pins"]);
  });

  test("addresses are taken: a new lab takes others, a reset says whose they are", async () => {
    const { name, number } = await makeLab({ legacyIp: true });
    const device = uniqueName();
    addVethPair({ name: device, peerName: uniqueName() });
    onTestFinished(() => removeByHand(device));
    const { ifindex } = getLink(device);
    setLinkUp(ifindex, true);
    const next = planFor(number + 1);
    addAddress({ ifindex, address: next.ip4?.inside ?? "", prefixLength: 32 });
    expect((await makeLab({ legacyIp: true })).number).not.toBe(number + 1);

    addAddress({ ifindex, address: planFor(number).ip6.inside, prefixLength: 128 });
    await expect(reset({ stateDirectory, name })).rejects.toMatchObject({
      code: "LAB",
      message: `The addresses of lab number ${number} are taken.`,
      why: expect.stringContaining(`${device} has ${planFor(number).ip6.inside}/128`),
    });
    expect(findLink(name)).toBeNull();
  });

  test("in the middle: all is taken away, and the next setup works", async () => {
    const name = uniqueName();
    onTestFinished(() => removeByHand(name));
    const abort = new AbortController();
    const said: string[] = [];
    const say = (line: string) => {
      said.push(line);
      // The device is there when the first line has been said and the event loop has had a turn.
      abort.abort();
    };
    await expect(setup({ stateDirectory, name, say, signal: abort.signal })).rejects.toMatchObject({ code: "INTERRUPTED" });
    expect(said).toContain(`Error during setup, removing partially-configured environment '${name}'`);
    expect(leftOf(name)).toEqual([]);
    await makeLab({ name });
  });

  test("a ping that is not answered: all is taken away, and the reason is given", async () => {
    const name = uniqueName();
    onTestFinished(() => removeByHand(name));
    // Somebody takes the device down while it is being made.
    const say = () => queueMicrotask(() => findLink(name) && setLinkUp(getLink(name).ifindex, false));
    await expect(setup({ stateDirectory, name, say })).rejects.toMatchObject({
      code: "LAB",
      message: expect.stringContaining("cannot be reached"),
    });
    expect(leftOf(name)).toEqual([]);
  });

  test.each(["setup", "teardown"])("killed with SIGKILL in the middle: the next %s takes away what it left", async (next) => {
    const name = uniqueName();
    onTestFinished(() => removeByHand(name));
    // What a setup has done when it is killed before it writes the state: the note, the namespace, the pair.
    openStateDirectory(stateDirectory);
    beginSetup(stateDirectory, name);
    createNamespace(name);
    addVethPair({ name, peerName: uniqueName() });
    expect(status({ stateDirectory }).unfinished).toEqual([name]);
    if (next === "teardown") {
      expect((await teardown({ stateDirectory, name })).removed).toEqual(["link", "namespace"]);
    } else {
      await makeLab({ name });
      expect(inNamespace(name, () => getLink("veth0")).kind).toBe("veth");
      await teardown({ stateDirectory, name });
    }
    expect(leftOf(name)).toEqual([]);
  });

  test("VLANs: made where the kernel can, else refused before anything is made", async () => {
    const name = uniqueName().slice(0, 13);
    onTestFinished(() => removeByHand(name));
    if (canMakeVlans()) {
      await makeLab({ name, vlan: true });
      expect(getLink(`${name}.1`).kind).toBe("vlan");
      return;
    }
    const said: string[] = [];
    await expect(setup({ stateDirectory, name, vlan: true, say: (line) => void said.push(line) })).rejects.toMatchObject({
      code: "UNSUPPORTED_SYSTEM",
      message: "A lab with VLANs cannot be made here.",
      why: expect.stringContaining("CONFIG_VLAN_8021Q"),
      fix: expect.stringContaining("Leave out --vlan"),
    });
    expect(said).toEqual([]);
    expect(leftOf(name)).toEqual([]);
  });

  test("IPv6 disabled: says which setting it is and how to change it", () => {
    const namespace = freshNamespace();
    inNamespace(namespace, () => {
      expect(() => requireIpv6()).not.toThrow();
      writeFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
      expect(() => requireIpv6()).toThrowError(
        expect.objectContaining({
          code: "UNSUPPORTED_SYSTEM",
          why: "net.ipv6.conf.default.disable_ipv6 is 1.",
          fix: expect.stringContaining("sysctl -w net.ipv6.conf.all.disable_ipv6=0"),
        }),
      );
    });
  });

  test("a state directory of somebody else's is not used", async () => {
    mkdirSync(stateDirectory, { mode: 0o777 });
    execFileSync("chmod", ["0777", stateDirectory]);
    await expect(setup({ stateDirectory, name: uniqueName() })).rejects.toMatchObject({
      code: "LAB",
      why: "Other users may write to it.",
    });
    expect(statSync(stateDirectory).isDirectory()).toBe(true);
  });
});
