/** The verbs of `wirescript balancer`, against an API that listens: what they send, what they print, and their exit statuses. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { listen, urlOf } from "../../src/balancer/api/listen.ts";
import { type App, makeApi } from "../../src/balancer/api/server.ts";
import type { Balancer } from "../../src/balancer/contract.ts";
import { main } from "../../src/cli/main.ts";
import { EXIT_STATUS } from "../../src/errors.ts";
import { noKernel, withoutKernel } from "../kernel.ts";
import { TestBalancers } from "./test-balancer.ts";

describe.skipIf(noKernel)(`wirescript balancer${withoutKernel}`, () => {
  const TOKEN = "0123456789abcdef-token";
  let directory: string;
  let balancers: TestBalancers;
  let balancer: Balancer;
  let app: App;
  let url: string;
  const stops: boolean[] = [];

  beforeAll(() => {
    balancers = new TestBalancers();
    directory = mkdtempSync(join(tmpdir(), "wirescript-balancer-cli-"));
    writeFileSync(join(directory, "token"), `${TOKEN}\n`);
  });
  afterAll(async () => {
    await balancers?.end();
    rmSync(directory, { recursive: true });
  });
  beforeEach(async () => {
    balancer = await balancers.start();
    app = await makeApi(balancer, { token: TOKEN, onStop: (detach) => stops.push(detach) });
    url = urlOf(await listen(app, { host: "127.0.0.1", port: 0 }));
  });
  afterEach(() => app.close());

  interface Outcome {
    status: number;
    stdout: string;
    stderr: string;
  }

  async function balancerVerb(...args: string[]): Promise<Outcome> {
    return command(...args, "--api", url, "--token-file", join(directory, "token"));
  }

  async function command(...args: string[]): Promise<Outcome> {
    const outcome = { status: 0, stdout: "", stderr: "" };
    const into = (stream: "stdout" | "stderr", text: string | Uint8Array): boolean => {
      outcome[stream] += text;
      return true;
    };
    const out = vi.spyOn(process.stdout, "write").mockImplementation((text) => into("stdout", text));
    const err = vi.spyOn(process.stderr, "write").mockImplementation((text) => into("stderr", text));
    try {
      outcome.status = await main(["balancer", ...args]);
    } finally {
      out.mockRestore();
      err.mockRestore();
    }
    return outcome;
  }

  async function ok(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await balancerVerb(...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout;
  }

  const names = () => balancer.state.services.map(({ name, backends }) => [name, backends.map((backend) => backend.name)]);

  test("a service and its backends are added, changed, drained and removed", async () => {
    expect(await ok("add", "web", "192.0.2.1:80/tcp", "affinity=source")).toContain("Done: moves no slots (revision 2).");
    await ok("add", "web/b1", "10.0.0.2:8080", "weight=50");
    await ok("add", "web", "10.0.0.3:8080");
    expect(names()).toEqual([["web", ["b1", "10.0.0.3:8080"]]]);
    await ok("set", "web/b1", "weight=70");
    await ok("set", "web", "check.type=http", "check.path=/ok", "check.status=[200,204]");
    await ok("drain", "web/b1", "--seconds", "30");
    expect(balancer.state.services[0]).toMatchObject({
      affinity: "source",
      check: { type: "http", path: "/ok", status: [200, 204], interval: 2 },
      backends: [{ weight: 70, drain: true, drainSeconds: 30 }, {}],
    });
    await ok("undrain", "web/b1");
    expect(balancer.state.services[0]?.backends[0]).toEqual({
      name: "b1",
      address: "10.0.0.2",
      port: 8080,
      weight: 70,
      drain: false,
    });
    await ok("remove", "web/b1");
    await ok("set", "web", "check=");
    expect(balancer.state.services[0]?.check).toBeUndefined();
    await ok("set", "mtu=9000");
    expect(balancer.state.mtu).toBe(9000);
    await ok("remove", "web");
    expect(names()).toEqual([]);
  });

  test("--dry-run changes nothing, and says so", async () => {
    expect(await ok("set", 'devices=[{"name":"lo"}]', "--dry-run")).toContain("+ device lo  mode auto\n");
    const text = await ok("add", "web", "192.0.2.1:80/tcp", "--dry-run");
    expect(text).toContain("+ service web");
    expect(text).toContain("It would be: moves no slots. Nothing was changed.");
    expect(names()).toEqual([]);
  });

  test("a document is compared and applied", async () => {
    const file = join(directory, "balancer.yaml");
    writeFileSync(
      file,
      "source4: 198.51.100.1\nsource6: 2001:db8:51::1\nservices:\n  - { name: web, address: 192.0.2.1, port: 80, protocol: tcp, backends: [{ address: 10.0.0.2 }] }\n",
    );
    expect(await ok("diff", file)).toContain("Nothing was changed.");
    expect(names()).toEqual([]);
    await ok("apply", file);
    expect(names()).toEqual([["web", ["10.0.0.2"]]]);
    expect(await ok("apply", file)).toBe("Nothing changes: that is how it is (revision 2).\n");
    expect(JSON.parse(await ok("diff", file, "--json"))).toMatchObject({ dryRun: true, changes: [] });
  });

  test("mistakes of a document are told with their lines, and nothing is sent", async () => {
    const file = join(directory, "wrong.yaml");
    writeFileSync(file, "services:\n  - name: web\n    address: 192.0.2.1\n    port: 70000\n    protocol: tpc\n");
    const { status, stderr } = await balancerVerb("apply", file);
    expect(status).toBe(EXIT_STATUS.INVALID_STATE);
    expect(stderr).toContain("4:11 /services/0/port");
    expect(stderr).toContain("Did you mean tcp?");
    expect(balancer.revision).toBe(1);
  });

  test("the status is a table, or JSON", async () => {
    expect(await ok()).toContain("There are no services.");
    await ok("add", "web", "192.0.2.1:80/tcp");
    await ok("add", "web/b1", "10.0.0.2:8080");
    const text = await ok("status");
    expect(text).toMatch(/^web +192\.0\.2\.1:80\/tcp +nat +unchecked +0 +0 +0$/m);
    expect(text).toMatch(/^ +b1 +10\.0\.0\.2:8080 +100 +\S+ %? *unchecked/m);
    expect(JSON.parse(await ok("status", "web", "--json"))).toMatchObject({ name: "web", backends: [{ name: "b1" }] });
    expect(JSON.parse(await ok("--json"))).toMatchObject({ revision: 3, services: [{ name: "web" }] });
  });

  test("a connection is explained", async () => {
    expect(await ok("explain", "198.51.100.7:40000 > 192.0.2.1:80/tcp")).toContain("\n→ no service\n");
  });

  test("events are shown as they come", async () => {
    await ok("add", "web", "192.0.2.1:80/tcp");
    const text = await ok("events", "--recent", "--count", "1");
    expect(text).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}revision 2: 1 change, moves no slots$/m);
  });

  test("top shows rates", async () => {
    await ok("add", "web", "192.0.2.1:80/tcp");
    const text = await ok("top", "--count", "1", "--interval", "0.01");
    expect(text).toMatch(/^web +192\.0\.2\.1:80\/tcp +no backend +0 +0 +0\.0 +0$/m);
    expect(JSON.parse(await ok("top", "--count", "1", "--interval", "0.01", "--json"))).toMatchObject({
      rows: [{ service: "web", backend: null, packetsPerSecond: 0 }],
    });
  });

  test("stop ends the service, once the answer is out", async () => {
    expect(await ok("stop", "--detach")).toContain("takes its programs off");
    await expect.poll(() => stops).toEqual([true]);
  });

  describe("failures say what, why and fix", () => {
    test.each([
      ["NO_SUCH_SERVICE", ["add", "web", "192.0.2.1"], 'There is no service called "web"'],
      ["NO_SUCH_SERVICE", ["add", "web", "192.0.2.1:80"], "wirescript balancer add web 192.0.2.1:80/tcp"],
      ["USAGE", ["add", "web/b1", "192.0.2.1:80/tcp"], "no address of a backend"],
      ["USAGE", ["add", "web", "192.0.2.1:80/sctp"], "no address of a service"],
      ["USAGE", ["set", "web"], "FIELD=VALUE"],
      ["USAGE", ["set", "web", "weight"], "sets no field"],
      ["USAGE", ["set", "web", "a..b=1"], "sets no field"],
      ["USAGE", ["drain", "web"], "names no backend"],
      ["USAGE", ["explain", "nonsense"], "no connection"],
      ["USAGE", ["explain", "[fd00::1]:1 > 192.0.2.1:80/tcp"], "no connection"],
      ["USAGE", ["flush"], "The verbs of balancer are status, serve, add"],
      ["NO_SUCH_SERVICE", ["remove", "web"], 'There is no service called "web"'],
      ["NO_SUCH_SERVICE", ["status", "web"], "It has none at all."],
      ["INVALID_STATE", ["add", "web", "nowhere:80/tcp", "weight=1"], "/weight: There is no such field here."],
      ["BAD_FILE", ["apply", "/nonexistent.yaml"], "cannot be read"],
    ] as const)("%s: %j", async (code, args, says) => {
      const { status, stdout, stderr } = await balancerVerb(...args);
      expect(status).toBe(EXIT_STATUS[code]);
      expect(stdout).toBe("");
      expect(stderr).toContain(says);
      expect(stderr).toMatch(/^error: .+\n {2}why: .+/);
      expect(stderr).toMatch(/\n {2}fix: .+/);
      expect(stderr).not.toContain("why: Not Found");
    });

    test("a service that is there is not added again", async () => {
      await ok("add", "web", "192.0.2.1:80/tcp");
      const { status, stderr } = await balancerVerb("add", "web", "192.0.2.1:80/tcp");
      expect(status).toBe(EXIT_STATUS.CONFLICT);
      expect(stderr).toContain("It is there already");
      expect(stderr).not.toContain("why: Precondition Failed");
    });

    test("without the token nothing is told", async () => {
      const { status, stderr } = await command("status", "--api", url);
      expect(status).toBe(EXIT_STATUS.NO_PRIVILEGES);
      expect(stderr).toContain("--token-file");
    });

    test("where nothing listens", async () => {
      await app.close();
      const { status, stderr } = await balancerVerb("status");
      expect(status).toBe(EXIT_STATUS.NO_ANSWER);
      expect(stderr).toContain("wirescript balancer serve");
    });

    test("a URL that is none", async () => {
      expect((await command("status", "--api", "localhost:1")).status).toBe(EXIT_STATUS.USAGE);
    });
  });
});
