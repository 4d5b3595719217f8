/** Each reason for EPERM gets its own explanation. */
import { expect, it } from "vitest";
import { explainDenied, type PrivilegeFacts } from "./privileges.ts";

const root: PrivilegeFacts = {
  capabilities: 0x1ff_ffff_ffffn,
  unprivilegedBpfDisabled: 2,
  initialUserNamespace: true,
  seccomp: false,
  lockedMemory: null,
  kernel: [6, 18],
};
const needs = ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"] as const;

it.each<[string, Partial<PrivilegeFacts>, string, string]>([
  ["no capabilities", { capabilities: 0n }, "lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON", "sudo"],
  ["the sysctl", { capabilities: 0n }, "kernel.unprivileged_bpf_disabled is 2", "sudo"],
  ["one capability missing", { capabilities: (1n << 39n) | (1n << 38n) }, "lacks CAP_NET_ADMIN,", "CAP_NET_ADMIN"],
  ["the memory limit of old kernels", { kernel: [5, 10], lockedMemory: 65536 }, "65536 bytes", "ulimit -l unlimited"],
  ["a user namespace", { initialUserNamespace: false }, "user namespace", "privileged container"],
  ["seccomp", { seccomp: true }, "seccomp", "profile"],
  ["a security module", {}, "security module", "lockdown"],
])("%s", (_, facts, why, fix) => {
  const explained = explainDenied({ ...root, ...facts }, needs);
  expect(explained.why).toContain(why);
  expect(explained.fix).toContain(fix);
});

it("CAP_SYS_ADMIN implies the others", () => {
  expect(explainDenied({ ...root, capabilities: 1n << 21n }, needs).why).not.toContain("lacks");
});

it("new kernels count no locked memory", () => {
  expect(explainDenied({ ...root, lockedMemory: 65536 }, needs).why).not.toContain("65536");
});
