/** The running kernel's version and configuration. */
import { readFileSync } from "node:fs";
import { release, version } from "node:os";
import { gunzipSync } from "node:zlib";
import { WirescriptError } from "../errors.ts";
import { type Kconfig, type KernelFacts, parseKconfig } from "../object/externs/kconfig.ts";

export const kernelFacts: KernelFacts = {
  get version() {
    return kernelVersion(release(), version(), optional("/proc/version_signature"));
  },
  config: () => {
    known ??= readConfig();
    return known;
  },
};

let known: Kconfig | undefined;

/**
 * `KERNEL_VERSION` of what uname(2) says. Debian and Ubuntu put other numbers into the release than those of the kernel that
 * they built: theirs are in the version, and in /proc/version_signature.
 */
export function kernelVersion(release: string, version: string, signature: string | null): number {
  const text = /^\S+ \S+ (\d+\.\d+\.\d+)/.exec(signature ?? "")?.[1] ?? /Debian (\d+\.\d+\.\d+)/.exec(version)?.[1] ?? release;
  const [, major = "0", minor = "0", patch = "0"] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text) ?? [];
  return Number(major) * 0x1_0000 + Number(minor) * 0x100 + Math.min(Number(patch), 255);
}

function optional(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** More than any configuration: 300 KB is a large one. */
const LARGEST = 16 << 20;

function readConfig(): Kconfig {
  const paths = ["/proc/config.gz", `/boot/config-${release()}`];
  for (const path of paths) {
    try {
      const bytes = readFileSync(path);
      const text = path.endsWith(".gz") ? gunzipSync(bytes, { maxOutputLength: LARGEST }) : bytes;
      return parseKconfig(text.toString("utf8"));
    } catch {
      // The next one may be there.
    }
  }
  throw new WirescriptError({
    code: "UNSUPPORTED_SYSTEM",
    what: "The running kernel's configuration is not to be found.",
    why: `The object asks for it (__kconfig), and neither ${paths.join(" nor ")} can be read.`,
    fix: "Install the file that belongs to the kernel, or build the kernel with CONFIG_IKCONFIG_PROC=y.",
  });
}
