/** Addresses of the kernel's symbols. */
import { readFileSync } from "node:fs";
import { WirescriptError } from "../errors.ts";

const PATH = "/proc/kallsyms";

/**
 * The symbol's address; null when there is none of this name. Reads the whole list each time: it is asked for rarely.
 *
 * @throws WirescriptError NO_PRIVILEGES when the kernel hides addresses, KERNEL when several symbols have the name.
 */
export function kernelSymbol(name: string): bigint | null {
  const found: bigint[] = [];
  // Latin-1: a character is a byte, so that the search is quick.
  const text = `\n${readFileSync(PATH, "latin1")}`;
  for (let at = text.indexOf(` ${name}\n`); at >= 0; at = text.indexOf(` ${name}\n`, at + 1)) {
    const line = text.slice(text.lastIndexOf("\n", at) + 1, at);
    const [, address] = /^([0-9a-f]+) [A-Za-z]$/.exec(line) ?? [];
    if (address !== undefined) found.push(BigInt(`0x${address}`));
  }
  const [address] = found;
  if (address === undefined) return null;
  if (address === 0n) {
    throw new WirescriptError({
      code: "NO_PRIVILEGES",
      what: `The address of the kernel's symbol ${name} is hidden.`,
      why: `${PATH} shows zeros: kernel.kptr_restrict is 2, or this process lacks CAP_SYSLOG.`,
      fix: "sysctl kernel.kptr_restrict=1, and run with CAP_SYSLOG (as root).",
    });
  }
  if (new Set(found).size === 1) return address;
  throw new WirescriptError({
    code: "KERNEL",
    what: `The kernel has ${found.length} symbols called ${name}.`,
    why: "Static functions and variables of several files may share a name, and it is not clear which is meant.",
    fix: "Use another symbol.",
  });
}
