/** Balancers for tests of what talks to them: the real service on a datapath with the real maps, in a network namespace of the test file's own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBalancer } from "../../src/balancer/balancer.ts";
import type { Balancer } from "../../src/balancer/contract.ts";
import { completeState } from "../../src/balancer/document.ts";
import { mapsOnly, SMALL } from "../../src/balancer/testing/maps-only.ts";
import { moveIntoNamespace } from "../../src/balancer/testing/namespace.ts";
import type { ObjectSpec } from "../../src/object/spec.ts";

/** No device has an address that NAT could send from, so the state names one. */
export const SOURCES = { source4: "198.51.100.1", source6: "2001:db8:51::1" };

const instance = `test-api-${process.pid}`;

/** Moves the process into a namespace; each `start` then begins without services, at revision 1. */
export class TestBalancers {
  readonly #leave = moveIntoNamespace("api");
  #program: ObjectSpec | undefined;
  #running: { balancer: Balancer; directory: string } | undefined;

  /** Ends the one before. */
  async start(): Promise<Balancer> {
    await this.stop();
    this.#program ??= await mapsOnly();
    const directory = mkdtempSync(join(tmpdir(), "ws-api-"));
    const balancer = await startBalancer({
      instance,
      directory,
      program: this.#program,
      entries: SMALL,
      state: completeState(SOURCES),
    });
    this.#running = { balancer, directory };
    return balancer;
  }

  async stop(): Promise<void> {
    await this.#running?.balancer.close({ detach: true });
    if (this.#running !== undefined) rmSync(this.#running.directory, { recursive: true });
    this.#running = undefined;
  }

  async end(): Promise<void> {
    await this.stop();
    this.#leave();
  }
}

/** Makes it the balancer's state, as a reload does. */
export async function replaceState(balancer: Balancer, value: unknown): Promise<void> {
  await balancer.apply(completeState(value));
}
