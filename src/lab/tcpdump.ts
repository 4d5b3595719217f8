/** tcpdump on either end of a lab. */
import { spawn } from "node:child_process";
import { type ExecResult, type Inside, type SpawnOptions, spawnInLab, untilExit } from "./exec.ts";
import { INSIDE_DEVICE } from "./plan.ts";

/**
 * Runs `tcpdump -nei DEVICE args`, outside on the lab's device, or with `inner` inside on veth0.
 *
 * @throws WirescriptError USAGE when there is no tcpdump; LAB when the lab's namespace is gone.
 */
export async function tcpdump(
  lab: Inside,
  args: readonly string[],
  options: SpawnOptions & { inner?: boolean } = {},
): Promise<ExecResult> {
  if (options.inner === true)
    return await untilExit(spawnInLab(lab, ["tcpdump", "-nei", INSIDE_DEVICE, ...args], options), "tcpdump");
  const env = { ...process.env, ...options.env };
  return await untilExit(spawn("tcpdump", ["-nei", lab.name, ...args], { stdio: options.stdio ?? "inherit", env }), "tcpdump");
}
