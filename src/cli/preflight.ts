/** What a command needs of the system, checked before it does anything, so that nobody waits for a compilation to hear "not root". */
import { WirescriptError } from "../errors.ts";

/** Bits of a capability set (linux/capability.h) without which nothing here works. */
const NEEDED = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21 } as const;

/**
 * @param purpose completes "may not …": "attach programs".
 * @throws WirescriptError UNSUPPORTED_SYSTEM when this is not Linux, NO_PRIVILEGES without the capabilities.
 */
export async function mustBeAbleTo(purpose: string): Promise<void> {
  mustBeLinux();
  const { explainDenied, readPrivilegeFacts } = await import("../runtime/privileges.ts");
  const facts = readPrivilegeFacts();
  const names = Object.keys(NEEDED) as (keyof typeof NEEDED)[];
  if (names.every((name) => ((facts.capabilities >> BigInt(NEEDED[name])) & 1n) === 1n)) return;
  throw new WirescriptError({
    code: "NO_PRIVILEGES",
    what: `This user may not ${purpose}.`,
    ...explainDenied({ ...facts, capabilities: facts.capabilities & ~(1n << BigInt(NEEDED.CAP_SYS_ADMIN)) }, names),
  });
}

/** @throws WirescriptError UNSUPPORTED_SYSTEM */
export function mustBeLinux(): void {
  if (process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64")) return;
  throw new WirescriptError({
    code: "UNSUPPORTED_SYSTEM",
    what: `This command does not work on ${process.platform} (${process.arch}).`,
    why: "XDP and eBPF programs run in the Linux kernel, here on x86-64 and arm64.",
    fix: "Run it on Linux 5.15 or newer. The commands check and build work here too.",
  });
}
