/**
 * Why the kernel says EPERM. It never tells which of the many reasons it was, so the facts that decide are read from /proc and the
 * answer names the one that applies.
 */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { WirescriptError } from "../errors.ts";
import { SyscallError } from "../sys/errno.ts";

/** Bits of a capability set (linux/capability.h). */
const CAPABILITY = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const;

export interface PrivilegeFacts {
  /** The effective capability set. */
  capabilities: bigint;
  /** /proc/sys/kernel/unprivileged_bpf_disabled; null when it cannot be read. */
  unprivilegedBpfDisabled: number | null;
  /** False inside a container's user namespace. */
  initialUserNamespace: boolean;
  seccomp: boolean;
  /** Bytes of RLIMIT_MEMLOCK; null when unlimited or unknown. */
  lockedMemory: number | null;
  /** [major, minor] */
  kernel: readonly [number, number];
}

export function readPrivilegeFacts(): PrivilegeFacts {
  const status = read("/proc/self/status");
  const locked = /^Max locked memory\s+(\d+)/m.exec(read("/proc/self/limits"))?.[1];
  const disabled = read("/proc/sys/kernel/unprivileged_bpf_disabled").trim();
  const [major, minor] = release().split(".").map(Number);
  return {
    capabilities: BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`),
    unprivilegedBpfDisabled: disabled === "" ? null : Number(disabled),
    initialUserNamespace: /^\s*0\s+0\s+4294967295\s*$/.test(read("/proc/self/uid_map")),
    seccomp: /^Seccomp:\s*[12]/m.test(status),
    lockedMemory: locked === undefined ? null : Number(locked),
    kernel: [major ?? 0, minor ?? 0],
  };
}

/** Since Linux 5.11 BPF memory counts against the cgroup's limit and no longer against RLIMIT_MEMLOCK. */
const MEMLOCK_FREE: readonly [number, number] = [5, 11];

/** The most likely reason, and what to do. `needs`: the capabilities that the refused call asks for (CAP_SYS_ADMIN implies them). */
export function explainDenied(
  facts: PrivilegeFacts,
  needs: readonly (keyof typeof CAPABILITY)[],
): { why: string; fix: string } {
  const has = (name: keyof typeof CAPABILITY) => ((facts.capabilities >> BigInt(CAPABILITY[name])) & 1n) === 1n;
  const missing = has("CAP_SYS_ADMIN") ? [] : needs.filter((name) => !has(name));
  if (missing.length > 0) {
    const closed =
      facts.unprivilegedBpfDisabled === null || facts.unprivilegedBpfDisabled === 0
        ? ""
        : ` (kernel.unprivileged_bpf_disabled is ${facts.unprivilegedBpfDisabled})`;
    return {
      why: `This process lacks ${missing.join(", ")}, and the kernel gives it no BPF without${closed}.`,
      fix: `Run it as root, e.g. with sudo, or give it ${needs.join(", ")}.`,
    };
  }
  const old = facts.kernel[0] < MEMLOCK_FREE[0] || (facts.kernel[0] === MEMLOCK_FREE[0] && facts.kernel[1] < MEMLOCK_FREE[1]);
  if (old && facts.lockedMemory !== null) {
    return {
      why: `Linux ${facts.kernel.join(".")} counts maps and programs as locked memory, of which this process may have ${facts.lockedMemory} bytes.`,
      fix: "Raise the limit before starting: ulimit -l unlimited",
    };
  }
  if (!facts.initialUserNamespace) {
    return {
      why: "This process is in a user namespace (a rootless container); its capabilities count for nothing in front of BPF.",
      fix: "Run it outside, or in a privileged container.",
    };
  }
  if (facts.seccomp) {
    return {
      why: "A seccomp filter watches this process (as container runtimes install it), and may forbid the call.",
      fix: "Allow bpf(2) in the container's seccomp profile, or run it outside.",
    };
  }
  return {
    why: "The process has the capabilities, so a security module or kernel lockdown refused.",
    fix: "See /sys/kernel/security/lockdown and the kernel log (dmesg).",
  };
}

const ALL = ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"] as const;

/** An error for EPERM. `what`: the sentence that says what was tried. */
export function denied(what: string, cause?: unknown): WirescriptError {
  const facts = readPrivilegeFacts();
  const mayChangeNetwork = ((facts.capabilities >> BigInt(CAPABILITY.CAP_NET_ADMIN)) & 1n) === 1n;
  const byNetlink = cause instanceof SyscallError && cause.call === "rtnetlink";
  const explained = byNetlink && !mayChangeNetwork ? NETWORK_DENIED : explainDenied(facts, ALL);
  return new WirescriptError({ code: "NO_PRIVILEGES", what, ...explained, cause });
}

/** Unlike BPF, devices are changed with this capability only. */
const NETWORK_DENIED = {
  why: "This process lacks CAP_NET_ADMIN, without which the kernel lets nobody change a network device.",
  fix: "Run it as root, e.g. with sudo, or give it CAP_NET_ADMIN.",
};

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
