/** `wirescript balancer serve` and the verbs that talk to it, as commands: started, killed, reloaded, stopped, on the real datapath. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { EXIT_STATUS } from "../../src/errors.ts";
import { BIN, cannotRun, ended, needs, printed, ROOT, Sandbox, titled } from "./sandbox.ts";

const UNIT = join(ROOT, "docs/systemd/wirescript-balancer.service");
const instance = `cli${process.pid}`;
const SMALL = ["flows4", "flows6", "origins4", "origins6"].flatMap((name) => ["--map-entries", `${name}=4096`]);
/** Stands for the document's path. */
const FILE = "FILE";
const document = (backends: string) => `
devices: [{ name: lb0 }]
tableSize: 251
services:
- { name: web, address: 192.0.2.1, port: 80, protocol: tcp, backends: [${backends}] }
`;
const AB = "{ name: a, address: 10.7.0.1, port: 8080 }, { name: b, address: 10.7.0.2, port: 8080 }";

describe.skipIf(cannotRun !== null)(titled("wirescript balancer"), () => {
  let box: Sandbox;
  const children: ChildProcess[] = [];
  const file = () => join(box.directory, "balancer.yaml");
  const serving = (...args: string[]) => [
    ...["balancer", "serve", "--instance", instance, "--state-dir", join(box.directory, "state")],
    ...SMALL,
    ...args,
  ];

  async function serve(...args: string[]): Promise<ChildProcess> {
    const child = box.start(...serving(...args));
    children.push(child);
    await printed(child, "The API listens");
    return child;
  }
  const json = (...args: string[]) => {
    const { status, stdout, stderr } = box.wirescript("balancer", ...args, "--json");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return JSON.parse(stdout);
  };
  const program = () => /prog\/xdp id (\d+) name balancer/.exec(box.output("ip", "-details", "link", "show", "lb0"))?.[1];

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth("lb0");
    box.output("ip", "address", "add", "10.7.0.254/24", "dev", "lb0");
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
    writeFileSync(file(), document(AB));
  });
  afterEach(async () => {
    const running = children.splice(0).filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    for (const child of running) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    box.run("rm", ["-rf", `/sys/fs/bpf/wirescript/balancer/${instance}`, join(box.directory, "state")]);
    writeFileSync(file(), document(AB));
  });
  afterAll(() => box?.[Symbol.dispose]());

  // The first one compiles the balancer, in a cache that is empty.
  test("runs what a document says, and changes it while it runs", async () => {
    await serve(file());
    expect(json("status")).toMatchObject({
      revision: 1,
      devices: [{ name: "lb0", mode: "native" }],
      services: [{ name: "web" }],
    });
    expect(program()).toBeDefined();
    expect(json("drain", "web/a")).toMatchObject({ revision: 2, changes: [{ action: "set", backend: "a" }] });
    const [service] = json("status").services;
    expect(service.backends).toMatchObject([
      { name: "a", draining: true, slots: 0 },
      { name: "b", slots: 251 },
    ]);
    expect(json("explain", "198.51.100.7:40000 > 192.0.2.1:80/tcp")).toMatchObject({
      service: "web",
      backend: "b",
      by: "table",
    });
    expect(json("diff", file())).toMatchObject({ dryRun: true, changes: [{ backend: "a" }] });
  });

  test("killed, it leaves the datapath, and takes it over again with its last state", async () => {
    const first = await serve(file());
    json("set", "web/b", "weight=10");
    first.kill("SIGKILL");
    await once(first, "exit");
    expect(program()).toBeDefined();
    await serve();
    expect(json("status")).toMatchObject({ revision: 2, services: [{ backends: [{ weight: 100 }, { weight: 10 }] }] });
  });

  test("reads its document again on SIGHUP; one with mistakes changes nothing", async () => {
    const child = await serve(file());
    writeFileSync(file(), document("{ name: a, address: nowhere }"));
    child.kill("SIGHUP");
    await printed(child, "Nothing was changed.");
    // As an editor leaves it for a moment that truncates before it writes.
    writeFileSync(file(), "");
    child.kill("SIGHUP");
    await printed(child, "It says nothing.");
    expect(program()).toBeDefined();
    writeFileSync(file(), document("{ name: c, address: 10.7.0.3 }"));
    child.kill("SIGHUP");
    await printed(child, "The document was read again.");
    expect(json("status").services[0].backends).toMatchObject([{ name: "c" }]);
  });

  test("ended by SIGTERM, the datapath goes on; by stop --detach, nothing is left", async () => {
    const first = await serve(file());
    first.kill("SIGTERM");
    expect(await ended(first)).toMatchObject({ status: 0, stderr: "" });
    expect(program()).toBeDefined();
    const second = await serve();
    expect(json("stop", "--detach")).toEqual({ stopping: true, detach: true });
    expect(await ended(second)).toMatchObject({ status: 0, stderr: "" });
    expect(program()).toBeUndefined();
    expect(box.output("find", "/sys/fs/bpf")).not.toContain(instance);
  });

  test("a token that it asks for is in no log", async () => {
    const token = "0123456789-secret";
    writeFileSync(join(box.directory, "token"), token);
    const child = box.start(...serving(file(), "--listen", "10.7.0.254:9092", "--token-file", join(box.directory, "token")));
    children.push(child);
    let log = "";
    child.stdout?.on("data", (chunk) => {
      log += chunk;
    });
    await printed(child, "The API listens");
    const api = ["--api", "http://10.7.0.254:9092"];
    expect(box.wirescript("balancer", "status", ...api).status).toBe(EXIT_STATUS.NO_PRIVILEGES);
    expect(json("set", "web/a", "weight=5", ...api, "--token-file", join(box.directory, "token"))).toMatchObject({
      revision: 2,
    });
    child.kill("SIGTERM");
    await ended(child);
    expect(log).toContain('"status":200');
    expect(log).not.toContain("secret");
  });

  test.skipIf(needs("python3") !== "")(
    `tells a service manager when it is ready, and when it ends${needs("python3")}`,
    async () => {
      const path = join(box.directory, "notify");
      const script = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    text = s.recv(1000).decode()
    print(text, flush=True)
    if "STOPPING" in text: break
`;
      const listener = box.spawn("python3", ["-c", script, path]);
      children.push(listener);
      await printed(listener, "bound");
      const child = box.spawn("env", [`NOTIFY_SOCKET=${path}`, process.execPath, BIN, ...serving(file())]);
      children.push(child);
      await printed(listener, "READY=1\nSTATUS=http://127.0.0.1:9092, revision 1");
      child.kill("SIGHUP");
      await printed(listener, "MONOTONIC_USEC=");
      child.kill("SIGTERM");
      await printed(listener, "STOPPING=1");
    },
  );

  test("needs no more capabilities than its systemd unit has", async () => {
    const allowed = /^CapabilityBoundingSet=(.*)$/m.exec(readFileSync(UNIT, "utf8"))?.[1]?.split(" ") ?? [];
    const few = allowed.map((name) => `+${name.toLowerCase().replace("cap_", "")}`).join();
    const limited = async (...args: string[]) => {
      const child = box.spawn("setpriv", [
        ...[`--bounding-set=-all,${few}`, "--inh-caps=-all", "--no-new-privs", "--", process.execPath, BIN],
        ...serving(...args),
      ]);
      children.push(child);
      await printed(child, "The API listens");
      return child;
    };
    const first = await limited(file());
    json("set", "web", "check.type=icmp");
    expect(json("set", "mtu=1400")).toMatchObject({ revision: 3 });
    first.kill("SIGKILL");
    await once(first, "exit");
    await limited();
    expect(json("remove", "web/a")).toMatchObject({ revision: 4 });
    expect(json("explain", "198.51.100.7:40000 > 192.0.2.1:80/tcp")).toMatchObject({ backend: "b", by: "table" });
    expect(
      box.output(process.execPath, "-e", "fetch('http://127.0.0.1:9092/metrics').then((r) => r.text()).then(console.log)"),
    ).toContain('backend_weight{service="web",backend="b"} 100');
    expect(json("stop", "--detach")).toMatchObject({ detach: true });
  });

  test.each([
    ["USAGE", ["--listen", "10.7.0.254:9092"], "there is no token"],
    ["USAGE", ["--listen", "nowhere"], "no address to listen on"],
    ["USAGE", ["--map-entries", "flows4"], "MAP=N"],
    ["KERNEL", [FILE, "--listen", "192.0.2.99:9092", "--without-token"], "has no such address"],
    ["BAD_FILE", ["/nonexistent.yaml"], "cannot be read"],
  ] as const)("exit status of %s for %j", (code, args, says) => {
    const { status, stderr } = box.wirescript(...serving(...args.map((word) => (word === FILE ? file() : word))));
    expect(stderr).toContain(says);
    expect(status).toBe(EXIT_STATUS[code]);
    expect(stderr).toMatch(/^error: .+\n {2}why: .+\n {2}fix: .+/);
    expect(program()).toBeUndefined();
  });

  test("two of the same instance are one too many", async () => {
    await serve(file());
    const { status, stderr } = box.wirescript(...serving("--listen", "9093"));
    expect({ status, stderr }).toMatchObject({ status: EXIT_STATUS.CONFLICT, stderr: expect.stringContaining("fix: ") });
    const apart = box.wirescript(...serving(file(), "--listen", "9093", "--state-dir", join(box.directory, "apart")));
    expect(apart.status).toBe(EXIT_STATUS.CONFLICT);
    expect(apart.stderr).toContain(`Process ${children[0]?.pid} holds the lock`);
  });
});
