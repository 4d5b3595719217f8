/** `wirescript doctor` as a command: what it prints, its exit status, what --fix does and what it leaves alone. */
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { BPFFS_PATH } from "../../src/sys/mount.ts";
import { BIN, cannotRun, DROP, ECHO, ended, ROOT, Sandbox, titled } from "./sandbox.ts";

describe.skipIf(cannotRun !== null)(titled("wirescript doctor"), () => {
  const sandbox = cannotRun === null ? new Sandbox() : null;
  afterAll(() => sandbox?.[Symbol.dispose]());
  const box = (): Sandbox => sandbox as Sandbox; // tests are skipped without one
  const lab = (...args: string[]) => box().wirescript("lab", ...args);
  /** Without a device: all namespaces, also those of processes, so other tests' processes must be out of sight. */
  const everywhere = () => box().run("unshare", ["--pid", "--fork", "--mount-proc", process.execPath, BIN, "doctor"]);

  test("finds nothing in a healthy lab that answers pings, and takes it for well", () => {
    expect(lab("setup", "--name", "well", "--legacy-ip").status).toBe(0);
    expect(lab("load", "--name", "well", "--", ECHO).status).toBe(0);
    expect(lab("ping", "--name", "well", "--legacy-ip", "--", "-c", "1").status).toBe(0);
    for (const look of [() => box().wirescript("doctor", "well"), everywhere]) {
      const { status, stdout } = look();
      expect(stdout).toContain("Nothing found that would make packets vanish. Looked at well");
      expect(status).toBe(0);
    }
  });

  test("prints what, evidence, why and fix, changes nothing, and ends with 1", () => {
    box().output("ip", "netns", "exec", "well", "ip", "link", "set", "veth0", "down");
    const { status, stdout } = box().wirescript("doctor", "well");
    expect(status).toBe(1);
    expect(stdout).toContain("1. veth0 (in well) is down. [link-down]");
    for (const label of ["evidence:", "why:", "fix:"]) expect(stdout).toMatch(new RegExp(`^ {3}${label} `, "m"));
    expect(stdout).toContain("1 finding at well; 1 can be mended by --fix: npx wirescript doctor well --fix");
    expect(box().wirescript("doctor", "well").status).toBe(1);
  });

  test("--json has the same, for scripts", () => {
    const { status, stdout } = box().wirescript("doctor", "well", "--json");
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      devices: ["well"],
      findings: [
        {
          id: "link-down",
          place: { netns: "well", dev: "veth0" },
          what: "veth0 (in well) is down.",
          evidence: expect.stringContaining("IFF_UP is not set"),
          why: expect.any(String),
          fix: { command: "ip -n well link set dev veth0 up", safe: true },
        },
      ],
    });
  });

  test("--netns looks at the other end", () => {
    const { status, stdout } = box().wirescript("doctor", "--netns", "well", "veth0");
    expect(stdout).toContain("[link-down]");
    expect(stdout).toContain("wirescript doctor --netns well veth0 --fix");
    expect(status).toBe(1);
  });

  test("--fix refuses without anybody to ask, and --yes needs nobody", async () => {
    const refused = box().wirescript("doctor", "well", "--fix");
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain("there is nobody to ask");
    expect(box().wirescript("doctor", "well").status).toBe(1);
    const mended = box().wirescript("doctor", "well", "--fix", "--yes");
    expect(mended.stderr).toContain("# ip -n well link set dev veth0 up");
    expect(mended.stdout).toContain("Nothing found");
    expect(mended.status).toBe(0);
    expect(lab("ping", "--name", "well", "--legacy-ip", "--", "-c", "1").status).toBe(0);
  });

  test("--fix leaves alone what is not safe", () => {
    expect(box().wirescript("load", "--force", "--mode", "skb", "well", DROP).status).toBe(0);
    const before = box().output("ip", "-d", "link", "show", "well");
    const { status, stdout } = box().wirescript("doctor", "well", "--fix", "--yes");
    expect(stdout).toContain("[generic-mode]");
    expect(stdout).toContain("(not done by --fix)");
    expect(status).toBe(1);
    expect(box().output("ip", "-d", "link", "show", "well")).toBe(before);
  });

  test("--fix runs our own commands as this command", () => {
    expect(box().wirescript("load", "--force", "well", ECHO).status).toBe(0);
    box().output("ip", "netns", "exec", "well", "ip", "link", "set", "veth0", "xdp", "off");
    expect(box().wirescript("doctor", "well").stdout).toContain("[peer-without-xdp]");
    const { status, stdout, stderr } = box().wirescript("doctor", "well", "--fix", "--yes");
    expect(stderr).toContain("load --netns well veth0");
    expect(stdout).toContain("Nothing found");
    expect(status).toBe(0);
  });

  test("bpffs-missing: nothing can be pinned", () => {
    while (box().run("umount", [BPFFS_PATH]).status === 0);
    const { status, stdout } = box().wirescript("doctor", "well");
    expect(stdout).toContain("[bpffs-missing]");
    expect(stdout).toContain("fix:      mount -t bpf bpf /sys/fs/bpf");
    expect(status).toBe(1);
    box().output("mount", "-t", "bpf", "bpf", BPFFS_PATH);
    expect(box().wirescript("doctor", "well").status).toBe(0);
  });

  test("--packet says where a packet goes, and what stops it", () => {
    const forward = (value: number) => box().output("sysctl", "-qw", `net.ipv4.ip_forward=${value}`);
    expect(lab("setup", "--name", "uno", "--legacy-ip").status).toBe(0);
    const state = JSON.parse(lab("status", "--name", "uno", "--json").stdout).selected;
    const inside = state.legacyPrefix.replace(/0\/\d+$/, "2");
    const well = JSON.parse(lab("status", "--name", "well", "--json").stdout).selected.legacyPrefix.replace(/0\/\d+$/, "2");
    forward(0);
    const stopped = box().wirescript("doctor", "--packet", `${well} > ${inside}`);
    expect(stopped.stdout).toContain(
      `${well} > ${inside} comes in by well and is not forwarded.\n   lookup:   BPF_FIB_LKUP_RET_FWD_DISABLED (5)`,
    );
    expect(stopped.stdout).toContain(
      "1. well does not forward IPv4, so nothing that arrives there is routed. [forwarding-off]",
    );
    expect(stopped.stdout).toContain(`wirescript doctor --packet "${well} > ${inside}" --fix`);
    expect(stopped.status).toBe(1);
    const mended = box().wirescript("doctor", "--packet", `${well} > ${inside}`, "--fix", "--yes");
    expect(mended.stdout).toContain(
      `comes in by well and leaves by uno.\n   lookup:   BPF_FIB_LKUP_RET_SUCCESS (0)\n   next hop: the receiver itself, at `,
    );
    expect(mended.stdout).toContain("Nothing found that would make this packet vanish. Looked at well.");
    expect(mended.status).toBe(0);
    forward(1);
    const json = JSON.parse(box().wirescript("doctor", "--packet", `${inside} > ${well}`, "--in", "uno", "--json").stdout);
    expect(json.packet).toMatchObject({ in: { dev: "uno" }, out: { place: { netns: null, dev: "well" }, nextHop: well } });
    forward(0);
    expect(lab("teardown", "--name", "uno").status).toBe(0);
  });

  test("--watch tells what got lost meanwhile, before what else is found", async () => {
    const ABORTED = join(ROOT, "src/programs/aborted.bpf.ts");
    expect(box().wirescript("load", "--force", "well", ABORTED).status).toBe(0);
    const child = box().start("doctor", "well", "--watch", "4");
    const outcome = ended(child);
    await new Promise<void>((resolve) => child.stderr?.once("data", () => resolve()));
    box().run("ip", ["netns", "exec", "well", "ping", "-c", "1", "-W", "0.2", "10.11.1.1"]);
    const { status, stdout, stderr } = await outcome;
    expect(stderr).toBe("Counting for 4 s what the kernel loses in XDP: send packets now.\n");
    expect(stdout).toMatch(/^1\. .* lost in [4-9]\.\d s by XDP_ABORTED at well\. \[xdp-exception\]\n/);
    expect(status).toBe(1);
    expect(box().wirescript("load", "--force", "well", ECHO).status).toBe(0);
  });

  test("--packet refuses what is no packet, and options that belong to one without it", () => {
    for (const [args, words] of [
      [["--packet", "10.0.0.1"], '"10.0.0.1" is no packet.'],
      [["--packet", "10.0.0.1 > ::1"], "One address is of IPv4 and the other one of IPv6."],
      [["--packet", "10.0.0 > 10.0.0.1"], '"10.0.0" is no IP address.'],
      [["--packet", "10.0.0.1 > 10.0.0.2", "well"], "Write --in well"],
      [["--packet", "10.0.0.1 > 10.0.0.2", "--watch", "1"], "--packet"],
      [["--in", "well"], "no packet is named"],
      [["--packet", "10.0.0.1 > 10.0.0.2", "--length", "70000"], "from 20 to 65535"],
    ] as const) {
      const { status, stderr } = box().wirescript("doctor", ...args);
      expect(stderr).toContain(words);
      expect(status).toBe(2);
    }
    expect(box().wirescript("doctor", "--packet", "10.0.0.1 > 10.0.0.2", "--in", "nosuch").status).toBe(5);
  });

  test("says so when there is no such device, and when no device has a program", () => {
    const missing = box().wirescript("doctor", "nosuch");
    expect(missing.status).toBe(5);
    expect(missing.stderr).toContain('There is no network device "nosuch".');
    expect(box().wirescript("doctor", "--netns", "nosuch", "eth0").status).toBe(16);
    expect(lab("teardown", "--name", "well").status).toBe(0);
    const none = everywhere();
    expect(none.stdout).toContain("No device has an XDP or TC program.");
    expect(none.status).toBe(0);
  });
});
