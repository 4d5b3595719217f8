/** What only a process of its own can meet: too few capabilities, and the limits of a user namespace. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryDirectory } from "../foreign-tools.ts";
import { cannotRun, needs, ROOT, titled } from "./sandbox.ts";

const LIBRARY = JSON.stringify(join(ROOT, "dist/index.js"));

/** Runs `body`, a module that prints the error that it meets, behind a command that takes rights away. */
function refusal(command: readonly string[], body: string): Record<string, string> {
  const script = `${body.trim()}.then(() => console.log('{"nothing":"was refused"}'), ({ code, message, why, fix }) => console.log(JSON.stringify({ code, message, why, fix })));`;
  const [first = "", ...rest] = command;
  const { stdout, stderr } = spawnSync(first, [...rest, process.execPath, "--input-type=module", "-e", script], {
    encoding: "utf8",
    env: { ...process.env, XDG_CACHE_HOME: temporaryDirectory() },
  });
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

const load = `import { load } from ${LIBRARY};
load(${JSON.stringify(join(ROOT, "src/programs/pass.bpf.ts"))})`;

describe.skipIf(cannotRun !== null)(titled("without rights"), () => {
  const CAPABILITIES = ["--inh-caps=-all", "--no-new-privs"];

  test.skipIf(needs("setpriv") !== "")(`to load: the missing capability is named${needs("setpriv")}`, () => {
    expect(refusal(["setpriv", "--bounding-set=-all,+net_admin,+dac_override", ...CAPABILITIES, "--"], load)).toMatchObject({
      code: "NO_PRIVILEGES",
      why: expect.stringContaining("lacks CAP_BPF, CAP_PERFMON"),
      fix: expect.stringContaining("sudo"),
    });
  });

  test.skipIf(needs("setpriv") !== "")(
    `to change the network: loading works, attaching names what is missing${needs("setpriv")}`,
    () => {
      const attach = `import { load } from ${LIBRARY};
      load(${JSON.stringify(join(ROOT, "src/programs/pass.bpf.ts"))}).then((object) => object.program(object.spec.programs[0].name).attach({ dev: "lo" }))`;
      expect(
        refusal(["setpriv", "--bounding-set=-all,+bpf,+perfmon,+dac_override", ...CAPABILITIES, "--"], attach),
      ).toMatchObject({
        code: "NO_PRIVILEGES",
        why: expect.stringContaining("CAP_NET_ADMIN"),
        fix: expect.stringContaining("CAP_NET_ADMIN"),
      });
    },
  );

  const limit = "/proc/sys/user/max_net_namespaces";
  const noLimit =
    needs("unshare") ||
    (existsSync(limit) && Number(readFileSync("/proc/sys/user/max_user_namespaces", "utf8")) > 0
      ? ""
      : " (skipped: needs user namespaces)");
  test.skipIf(noLimit !== "")(`ENOSPC: as many network namespaces as may be${noLimit}`, () => {
    const command = [
      "unshare",
      "--user",
      "--map-root-user",
      "--net",
      "--mount",
      "sh",
      "-c",
      `echo 0 > ${limit} && exec "$@"`,
      "sh",
    ];
    const body = `import { inPassingNamespace } from ${JSON.stringify(join(ROOT, "dist/sys/namespaces.js"))};
      (async () => inPassingNamespace(() => 1))()`;
    expect(refusal(command, body)).toMatchObject({
      code: "KERNEL",
      message: "This process could not make a network namespace.",
      why: expect.stringContaining("as many network namespaces as may be"),
      fix: expect.stringContaining("user.max_net_namespaces"),
    });
  });
});
