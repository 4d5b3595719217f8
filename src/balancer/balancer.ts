/**
 * Starting a balancer. The datapath needs none of this to forward: it stays when this process ends, however it ends, and the next one takes it over.
 */
import { join } from "node:path";
import { WirescriptError } from "../errors.ts";
import type { Balancer, State } from "./contract.ts";
import { Datapath, type DatapathOptions, isInstalled } from "./datapath/datapath.ts";
import { completeState } from "./document.ts";
import { deadlinesOf } from "./drains.ts";
import { InstanceLock } from "./instance-lock.ts";
import { type Logger, SILENT } from "./logger.ts";
import { RunningBalancer } from "./running-balancer.ts";
import { foundSources, NO_SOURCES, statedSources } from "./sources.ts";
import { type Accepted, STATE_DIRECTORY, Store } from "./store.ts";

export type { Logger } from "./logger.ts";

export interface BalancerOptions extends Partial<Pick<DatapathOptions, "program" | "entries">> {
  /** The state to begin with, instead of the last accepted one. */
  state?: State;
  /** Where the accepted state is kept. Usual: /var/lib/wirescript/balancer/INSTANCE. */
  directory?: string;
  /** Tells balancers on the same host apart, by a directory of pins for each. Usual: "default". */
  instance?: string;
  logger?: Logger;
}

/**
 * Starts the service: loads the last accepted state, takes over the datapath that runs in the kernel or makes one, and makes it what the state says. In the
 * network namespace of the calling thread, where its devices are; afterwards too, that thread must stay there.
 *
 * @throws WirescriptError CONFLICT when another process has the instance; BAD_FILE when no state on disk is whole; INVALID_STATE (`InvalidState`) for
 * `state`; MAP when what is in the kernel is of another version; VERIFIER, NO_PRIVILEGES, USAGE.
 */
export async function startBalancer(options: BalancerOptions = {}): Promise<Balancer> {
  const instance = options.instance ?? "default";
  const lock = new InstanceLock(instance);
  let store: Store | undefined;
  try {
    const installed = isInstalled(instance);
    store = new Store(options.directory ?? join(STATE_DIRECTORY, instance));
    const logger = options.logger ?? SILENT;
    const begun = await beginning(store, options.state, installed, logger);
    const { program, entries } = options;
    const datapathOptions = { instance, ...(program !== undefined && { program }), ...(entries !== undefined && { entries }) };
    const { state } = begun;
    logger.info(
      { instance },
      "The datapath is made ready; at the first start of a version it is compiled, which takes a while.",
    );
    const datapath = await Datapath.open(datapathOptions, {
      ...state,
      ...statedSources(state, foundSources(state, NO_SOURCES)),
    });
    const balancer = new RunningBalancer({ store, lock, datapath }, begun, logger);
    try {
      await balancer.begin();
      if (options.state !== undefined) {
        const { changes, moved, ends } = await balancer.apply(options.state);
        if (changes.length > 0)
          logger.warn(
            { changes, moved, ends, fix: "To keep what the API changes, write it into the document, or start without one." },
            "The document differs from the state that was accepted last, and has taken its place: what was changed since is undone.",
          );
      }
    } catch (error) {
      await balancer.close({ detach: !installed });
      throw error;
    }
    return balancer;
  } catch (error) {
    store?.close();
    lock.undo();
    throw error;
  }
}

/** The state that is accepted before anything is asked: from disk, or else the one to begin with, or an empty one. */
async function beginning(store: Store, given: State | undefined, installed: boolean, logger: Logger): Promise<Accepted> {
  const { accepted, damaged } = await store.load().catch((error: unknown) => {
    // Nothing on disk is whole, but somebody says what is meant.
    if (given === undefined || !(error instanceof WirescriptError) || error.code !== "BAD_FILE") throw error;
    logger.error({ why: error.why }, error.message);
    return { accepted: null, damaged: [] };
  });
  for (const damage of damaged) logger.error({ ...damage }, "A state on disk was damaged; the one before it is used.");
  if (accepted !== null) return accepted;
  if (given === undefined && installed) {
    throw new WirescriptError({
      code: "BAD_FILE",
      what: "A datapath runs, and nothing says what it is meant to do.",
      why: `There is no state in ${store.directory}; an empty one would take all its services away.`,
      fix: "Name the directory of its state, start with a document, or remove the datapath's pins.",
    });
  }
  const state = given === undefined ? completeState({}) : completeState(given, foundSources(given, NO_SOURCES));
  const first = { revision: 1, since: new Date(), state, deadlines: deadlinesOf(state, Date.now()) };
  await store.save(first);
  return first;
}
