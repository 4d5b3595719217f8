/** A lab of a test's own, gone when it ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Lab, type SetupOptions, setup, status, teardown } from "../src/lab/index.ts";
import { uniqueName } from "./own-network.ts";

/** Makes a lab with a state directory of its own, so that nobody else's labs are selected or counted. */
export async function freshLab(options: Partial<SetupOptions> = {}): Promise<Lab> {
  const parent = mkdtempSync(join(tmpdir(), "wirescript-own-lab-"));
  const stateDirectory = join(parent, "labs");
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const lab = await setup({ name: uniqueName(), ...options, stateDirectory });
  onTestFinished(async () => {
    // The test may have done it.
    if (status({ stateDirectory }).environments.includes(lab.name)) await teardown({ name: lab.name, stateDirectory });
  });
  return lab;
}
