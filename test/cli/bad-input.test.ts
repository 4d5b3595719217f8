/**
 * Everything that a person can do wrong: each gets its own exit status and says what, why and fix, three times in a row, and leaves the
 * machine as it was: no program attached, nothing pinned, mounted or made.
 */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ErrorCode, EXIT_STATUS } from "../../src/errors.ts";
import { writeElf } from "../../src/object/elf/write.ts";
import { op } from "../fixtures/counting-program.ts";
import { BIN, cannotRun, ended, type Outcome, printed, ROOT, Sandbox, titled } from "./sandbox.ts";

const unique = `x${process.pid.toString(36)}`;
const HEADER = `import { array, hash, perCpuArray, struct, u32, u64, XDP_PASS, xdp } from "wirescript/kernel";
import { Ethernet } from "wirescript/net";
`;

/** Line 3 and following of a module; `counted` is right, the others are wrong in one way each. */
const MODULES = {
  counted: `export const ${unique}m = perCpuArray({ value: u64, entries: 1, pinned: true });
export const ${unique} = xdp(() => { const n = ${unique}m.lookup(0); if (n) n.value++; return XDP_PASS; });`,
  type_error: `export const ${unique} = xdp(() => "pass");`,
  unsupported: `export const ${unique} = xdp((ctx) => { let n = 0; while (n < ctx.length) n++; return n > 9 ? XDP_PASS : XDP_PASS; });`,
  unchecked: `export const ${unique} = xdp((ctx) => ctx.at(Ethernet).type === 1 ? XDP_PASS : XDP_PASS);`,
};

describe.skipIf(cannotRun !== null)(titled("bad input leaves nothing behind"), () => {
  let box: Sandbox;
  let before: object;
  const dev = `${unique}d`;
  const path = (name: string) => join(box.directory, name);

  beforeAll(() => {
    box = new Sandbox();
    box.addVeth(dev);
    for (const [name, text] of Object.entries(MODULES)) writeFileSync(path(`${name}.bpf.ts`), `${HEADER}${text}\n`);
    writeFileSync(path("text.o"), "This is a letter, and not an object.\n");
    writeFileSync(
      path("garbage.bpf.ts"),
      Uint8Array.from({ length: 4096 }, (_, i) => (i * 7919) & 0xff),
    );
    writeFileSync(path("rejected.o"), writeElf(outOfBounds()));
    mkdirSync(path("directory.bpf.ts"));
  });
  afterAll(() => box[Symbol.dispose]());
  beforeEach(() => {
    before = box.state(unique, "demo-");
  });
  afterEach(async () => {
    await expect.poll(() => box.state(unique, "demo-")).toEqual(before);
  });

  /** Three wrong runs in a row. */
  function refused(code: ErrorCode, run: () => Outcome, ...says: (string | RegExp)[]): void {
    for (let time = 1; time <= 3; time++) {
      const { status, stderr } = run();
      expect({ time, status, stderr }).toMatchObject({ time, status: EXIT_STATUS[code] });
      for (const part of says) expect(stderr).toMatch(part);
      expect(stderr).toMatch(/^ {2}why: \S/m);
      expect(stderr).toMatch(/^ {2}fix: \S/m);
      expect(stderr).not.toMatch(/^ +at /m);
    }
  }

  test.each([
    ["load", dev, "counted.bpf.ts"],
    ["unload", dev],
    ["status"],
    ["stats", dev],
    ["demo"],
    ["lab", "setup", "--name", unique],
  ])("no root: %s", (...args) => {
    refused("NO_PRIVILEGES", () => box.unprivileged(...args), /^error: /, /root/);
  });

  test.each([[["load", "nosuch", "counted.bpf.ts"]], [["unload", "nosuch"]], [["stats", "nosuch"]], [["status", "nosuch"]]])(
    "no such device: %j",
    (args) => {
      const own = args.map((each) => (each.endsWith(".ts") ? path(each) : each));
      refused(
        "NO_SUCH_DEVICE",
        () => box.wirescript(...own),
        'error: There is no network device "nosuch".',
        new RegExp(`has lo, .*${dev}`),
      );
    },
  );

  test("unknown program, by name and by section", () => {
    refused("NO_SUCH_PROGRAM", () => box.wirescript("load", "--prog", "nope", dev, path("counted.bpf.ts")), `It has ${unique}`);
    refused("NO_SUCH_PROGRAM", () => box.wirescript("load", "--section", "tc", dev, path("counted.bpf.ts")), 'section "tc"');
  });

  test("busy device without --force", async () => {
    expect(box.wirescript("load", dev, path("counted.bpf.ts")).status).toBe(0);
    const busy = box.state(unique);
    refused(
      "DEVICE_BUSY",
      () => box.wirescript("load", dev, path("counted.bpf.ts")),
      `already has the XDP program "${unique}"`,
    );
    await expect.poll(() => box.state(unique)).toEqual(busy);
    expect(box.wirescript("unload", dev).status).toBe(0);
    box.output("umount", "/sys/fs/bpf");
  });

  test("native mode unsupported", () => {
    refused("MODE_UNSUPPORTED", () => box.wirescript("load", "lo", path("counted.bpf.ts")), "native", "skb");
  });

  test("a file that is missing, a directory, neither TypeScript nor ELF, or garbage", () => {
    for (const name of ["missing.bpf.ts", "missing.o", "directory.bpf.ts", "text.o"]) {
      refused("BAD_FILE", () => box.wirescript("load", dev, path(name)), name);
    }
    refused("BAD_FILE", () => box.wirescript("build", path("counted.bpf.ts"), "-o", path("no/such/folder.o")), "folder.o");
    expect([EXIT_STATUS.COMPILE, EXIT_STATUS.BAD_FILE]).toContain(box.wirescript("load", dev, path("garbage.bpf.ts")).status);
  });

  test.each(["type_error", "unsupported", "unchecked"])("a program with an error of the kind %s", (name) => {
    const file = `${name}.bpf.ts`;
    for (let time = 1; time <= 3; time++) {
      const { status, stderr } = box.wirescript("load", dev, path(file));
      expect({ status, stderr }).toMatchObject({ status: EXIT_STATUS.COMPILE });
      expect(stderr).toMatch(new RegExp(`${file}:3:\\d+ (TS|WS)\\d+: `));
      expect(stderr).toMatch(/\^/);
      expect(stderr).toMatch(/\d+ errors? found\./);
    }
    expect(box.wirescript("check", path(file)).status).toBe(EXIT_STATUS.COMPILE);
  });

  test("a program that the verifier rejects", () => {
    refused(
      "VERIFIER",
      () => box.wirescript("load", dev, path("rejected.o")),
      "verifier rejected",
      "invalid bpf_context access",
    );
    expect(box.wirescript("load", "--verbose", dev, path("rejected.o")).stderr).toContain("0: (61) r0 = *(u32 *)(r1 +4096)");
  });

  test("a pinned map of another layout", async () => {
    box.output("mount", "-t", "bpf", "bpf", "/sys/fs/bpf");
    const other = join(box.directory, "other.bpf.ts");
    writeFileSync(other, `${HEADER}${MODULES.counted.replace("entries: 1", "entries: 2")}\n`);
    expect(box.wirescript("load", dev, path("counted.bpf.ts")).status).toBe(0);
    const loaded = box.state(unique);
    refused("MAP", () => box.wirescript("load", "--force", dev, other), "another layout", "1 entries", "2 entries");
    await expect.poll(() => box.state(unique)).toEqual(loaded);
    expect(box.wirescript("unload", dev).status).toBe(0);
    box.output("umount", "/sys/fs/bpf");
    box.output("rm", other);
  });

  test("a map that is full, met by a program that uses the library", () => {
    const script = `
      import { load } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
      const object = await load(process.argv[1]);
      const map = object.map(${JSON.stringify(`${unique}h`)});
      for (let key = 0; ; key++) {
        try { map.set(key, 1); } catch (error) { console.log(key, error.code, error.message, error.why, error.fix); break; }
      }`;
    writeFileSync(
      path("small.bpf.ts"),
      `${HEADER}export const ${unique}h = hash({ key: u32, value: u32, entries: 2 });
export const ${unique} = xdp(() => { const n = ${unique}h.lookup(0); return n ? XDP_PASS : XDP_PASS; });\n`,
    );
    const { stdout, stderr } = box.run(process.execPath, ["--input-type=module", "-e", script, path("small.bpf.ts")]);
    expect(stderr).toBe("");
    expect(stdout).toMatch(new RegExp(`^2 MAP The map "${unique}h" is full: key 2 was not added\\..*2 entries.*LRU`));
    box.output("rm", path("small.bpf.ts"));
  });

  test("nothing to unload, and no statistics to show", () => {
    refused("NOTHING_ATTACHED", () => box.wirescript("unload", dev), "nothing was removed");
    refused("NOTHING_ATTACHED", () => box.wirescript("stats", dev), "There are no statistics");
  });

  test.each([
    [["frobnicate"]],
    [["laod", "lo", "x"]],
    [["load"]],
    [["load", "--frobnicate", "lo", "x"]],
    [["load", "--mode", "hardware", "lo", "x"]],
    [["stats", "--interval", "never", "lo"]],
    [["stats", "--count", "0", "lo"]],
    [["build", "--cpu", "v9", "x"]],
    [["lab", "frobnicate"]],
    [["lab", "setup", "--name", "a/b"]],
  ])("a wrong command line: %j", (args) => {
    refused("USAGE", () => box.wirescript(...args), /^error: /);
  });

  test("an unusable pin directory", () => {
    refused("USAGE", () => box.wirescript("load", "--pin-path", "/tmp", dev, path("counted.bpf.ts")), "/tmp");
    refused("USAGE", () => box.wirescript("load", "--pin-path", "/sys/fs/bpf/a.b", dev, path("counted.bpf.ts")), "dots");
  });

  describe("Ctrl-C", () => {
    const interruptedOrDone = async (child: ChildProcess, milliseconds: number): Promise<Outcome> => {
      const end = ended(child);
      // Where in its life the command is after so long does not matter: that is the point.
      const timer = setTimeout(() => child.kill("SIGINT"), milliseconds);
      const outcome = await end;
      clearTimeout(timer);
      return outcome;
    };

    test.each([5, 60, 120, 180, 250, 320, 400])("in the middle of load, after %i ms: all or nothing", async (milliseconds) => {
      const child = box.start("load", dev, path("counted.bpf.ts"));
      const { status, stdout, stderr } = await interruptedOrDone(child, milliseconds);
      if (status === 0) {
        expect(stdout).toContain("Attached");
        expect(box.wirescript("unload", dev).status).toBe(0);
        box.run("umount", ["/sys/fs/bpf"]);
        return;
      }
      // Before our handler stands, the signal itself ends the process.
      if (status !== null) {
        expect(status).toBe(EXIT_STATUS.INTERRUPTED);
        expect(stderr).toContain("Nothing is attached, pinned or mounted that was not before.");
      }
    });

    test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s in the middle of the demo of an echo", async (signal) => {
      for (const text of ["A TypeScript program", "1. A lab", "2. ", "3. Pings"]) {
        const child = box.start("demo", "echo");
        const end = ended(child);
        await printed(child, text);
        child.kill(signal);
        const { status, stderr } = await end;
        expect({ text, status, stderr }).toMatchObject({ status: EXIT_STATUS.INTERRUPTED });
        expect(stderr).toMatch(/^error: [\s\S]*^ {2}why: [\s\S]*^ {2}fix: /m);
        await expect.poll(() => box.state(unique, "demo-")).toEqual(before);
      }
    });

    test("in the middle of the demo of a balancer", async () => {
      for (const text of ["One address", "1. A lab", "2. ", "4. "]) {
        const child = box.start("demo");
        const end = ended(child);
        await printed(child, text);
        child.kill("SIGINT");
        const { status, stderr } = await end;
        expect({ text, status, stderr }).toMatchObject({ status: EXIT_STATUS.INTERRUPTED });
        expect(stderr).toMatch(/^error: [\s\S]*^ {2}why: [\s\S]*^ {2}fix: /m);
        await expect.poll(() => box.state(unique, "demo-")).toEqual(before);
      }
    });

    test("while watching statistics", async () => {
      expect(box.wirescript("load", dev, join(ROOT, "src/programs/drop.bpf.ts")).status).toBe(0);
      const loaded = box.state(unique);
      for (let time = 1; time <= 3; time++) {
        const child = box.start("stats", dev);
        const end = ended(child);
        await printed(child, "XDP_REDIRECT");
        child.kill("SIGINT");
        expect(await end).toMatchObject({
          status: EXIT_STATUS.INTERRUPTED,
          stderr: expect.stringContaining("nothing was changed"),
        });
      }
      await expect.poll(() => box.state(unique)).toEqual(loaded);
      expect(box.wirescript("unload", dev).status).toBe(0);
      box.output("umount", "/sys/fs/bpf");
    });
  });

  test.each(["--help", "top --interval 0.05", "top --interval 0.05 --json"])(
    "a reader that goes away early is no failure: %s",
    (command) => {
      const script = `{ '${process.execPath}' '${BIN}' ${command}; echo $? >&2; } | head -1`;
      expect(box.run("sh", ["-c", script]).stderr).toBe("0\n");
    },
  );

  test("names made to command the terminal stay in their columns", () => {
    const name = `${unique}\x1b[7m`;
    box.output("ip", "link", "add", name, "type", "veth", "peer", "name", `${unique}\x07`);
    try {
      const { stdout } = box.wirescript("status");
      expect(stdout).toContain(`${unique}·[7m`);
      expect(stdout).toContain(`${unique}· `);
      const { stderr } = box.wirescript("unload", name);
      expect(stderr).toContain(`on ${unique}·[7m: nothing was removed.`);
    } finally {
      box.output("ip", "link", "delete", name);
    }
  });
});

/** Reads beyond the context, which no verifier allows. */
function outOfBounds() {
  const instructions = [op(0x61, 0, 1, 4096), op(0x95)];
  const functions = [{ name: unique, instructions, typeId: 0, lines: [] }];
  return {
    license: "Dual MIT/GPL",
    programs: [{ name: unique, section: "xdp", type: "xdp" as const, functions }],
    maps: [],
    data: [],
    btf: null,
  };
}
