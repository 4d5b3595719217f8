/** The package as a registry would give it: all that it needs at run time is in it. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cannotRun, ROOT, Sandbox, titled } from "./sandbox.ts";

describe.skipIf(cannotRun !== null)(titled("installed from a registry"), () => {
  let box: Sandbox;
  const node = (...args: string[]) => box.run(process.execPath, args, box.directory);
  const unique = `i${process.pid.toString(36)}`;

  beforeAll(() => {
    box = new Sandbox();
    const modules = join(box.directory, "node_modules");
    mkdirSync(join(modules, "wirescript"), { recursive: true });
    for (const name of readdirSync(join(ROOT, "node_modules")))
      symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
    const [packed] = JSON.parse(
      execFileSync("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", box.directory], {
        cwd: ROOT,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      }),
    );
    execFileSync("tar", [
      "-xzf",
      join(box.directory, packed.filename),
      "-C",
      join(modules, "wirescript"),
      "--strip-components=1",
    ]);
    writeFileSync(join(box.directory, "package.json"), `{ "type": "module" }`);
    writeFileSync(
      join(box.directory, "pass.bpf.ts"),
      `import { XDP_PASS, xdp } from "wirescript/kernel";
import { ethernetPayload } from "wirescript/net";
export const ${unique} = xdp((ctx) => (ethernetPayload(ctx) ? XDP_PASS : XDP_PASS));`,
    );
  });
  afterAll(() => box[Symbol.dispose]());

  test("loads a module, and the second time without the compiler", () => {
    const command = "node_modules/wirescript/bin/wirescript.js";
    for (const how of ["compiled in", "taken from the compiler's cache in"]) {
      const { status, stdout, stderr } = node(command, "load", "--mode", "skb", "--force", "lo", "pass.bpf.ts");
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).toContain(how);
    }
    expect(node(command, "unload", "lo").status).toBe(0);
  });

  test("is a library", () => {
    writeFileSync(
      join(box.directory, "run.js"),
      `import { load } from "wirescript";
const object = await load("pass.bpf.ts");
console.log(object.program("${unique}").run(new Uint8Array(64)).action);
object[Symbol.dispose]();`,
    );
    expect(node("run.js")).toMatchObject({ status: 0, stdout: "2\n", stderr: "" });
  });
});
