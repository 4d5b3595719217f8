/**
 * `wirescript balancer serve`: the balancer and its API in one process, which logs one JSON object a line. SIGHUP reads the document again, SIGTERM and
 * Ctrl-C end the service; the datapath goes on forwarding, and the next `serve` takes it over. A service manager is told when it is ready.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { type Logger, pino } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import { isLoopback, type ListenAddress, listen, mustBeProtected, parseListen, urlOf } from "../../../balancer/api/listen.ts";
import { makeRulesApi } from "../../../balancer/api/rules.ts";
import { makeApi } from "../../../balancer/api/server.ts";
import { readToken } from "../../../balancer/api/token.ts";
import { startBalancer } from "../../../balancer/balancer.ts";
import type { Balancer } from "../../../balancer/contract.ts";
import { isInstalled } from "../../../balancer/datapath/datapath.ts";
import { STATE_DIRECTORY } from "../../../balancer/store.ts";
import { WirescriptError } from "../../../errors.ts";
import { BPFFS_PATH } from "../../../sys/mount.ts";
import { notifyServiceManager } from "../../../sys/service-manager.ts";
import { enterNetwork } from "../../network.ts";
import { mustBeLinux } from "../../preflight.ts";
import { readStateFile } from "./document.ts";

export interface ServeOptions {
  listen: string;
  tokenFile?: string;
  /** False with --without-token. */
  token: boolean;
  hostName?: string[];
  rateLimit?: number;
  stateDir?: string;
  instance: string;
  rulesListen?: string;
  rulesService?: string;
  mapEntries?: Record<string, number>;
  detach?: boolean;
  logLevel: string;
  netns?: string;
}

/** For an address that others reach, when nothing else is said. */
const USUAL_RATE = 200;

export async function serve(file: string | undefined, options: ServeOptions): Promise<void> {
  mustBeLinux();
  const token = options.token ? readToken(options.tokenFile) : undefined;
  const address = protectedAddress(options.listen, token, options);
  const rulesAddress = options.rulesListen === undefined ? null : protectedAddress(options.rulesListen, token, options);
  const state = file === undefined ? undefined : readStateFile(file);
  enterNetwork(options.netns);
  // What goes wrong is said as in every other command while there is nothing to serve yet.
  const logger = pino({ name: "wirescript-balancer", level: options.logLevel, redact: ["req.headers", "headers"] });
  warnOfPrivatePins(logger);
  const ending = new Ending();
  const wasThere = isInstalled(options.instance);
  const balancer = await startBalancer({
    ...(state !== undefined && { state }),
    directory: options.stateDir ?? join(STATE_DIRECTORY, options.instance),
    instance: options.instance,
    ...(options.mapEntries !== undefined && { entries: options.mapEntries }),
    logger,
  });
  let detach = options.detach === true;
  let served = false;
  const servers: FastifyInstance[] = [];
  const reload = reloader(balancer, file, logger);
  try {
    // Before anybody can know that the service is there: unheard, the signal would end it.
    process.on("SIGHUP", reload);
    const onStop = (andDetach: boolean) => ending.now(andDetach);
    servers.push(...(await open(balancer, { address, rulesAddress, token, options, logger, onStop })));
    served = true;
    notifyServiceManager(`READY=1\nSTATUS=${urlOf(address)}, revision ${balancer.revision}`);
    const watchdog = watch();
    const { signal, detach: asked } = await ending.come;
    detach ||= asked;
    clearInterval(watchdog);
    logger.info(
      { signal, detach },
      detach ? "The service ends, and the datapath with it." : "The service ends; the datapath goes on forwarding.",
    );
  } finally {
    notifyServiceManager("STOPPING=1");
    process.off("SIGHUP", reload);
    ending[Symbol.dispose]();
    for (const server of servers) await server.close();
    // A service that could not begin leaves nothing that was not there.
    await balancer.close({ detach: served ? detach : !wasThere });
  }
}

/**
 * In a mount namespace with a bpffs of its own, as `ip netns exec` makes it, the pins go when the last process there ends, and the datapath with
 * them: that is not what "goes on forwarding" promises.
 */
function warnOfPrivatePins(logger: Logger): void {
  const [host, own] = [`/proc/1/root${BPFFS_PATH}`, BPFFS_PATH].map(deviceOf);
  if (host === null || own === null || host === own) return;
  logger.warn(
    { path: BPFFS_PATH, fix: "Start it outside, and name the network namespace: --netns NAME" },
    "The pins are in a mount namespace of their own: the datapath ends with the last process in it.",
  );
}

/** Null when it cannot be known: without CAP_SYS_PTRACE the host's is nobody's business. */
function deviceOf(path: string): bigint | null {
  try {
    return statSync(path, { bigint: true }).dev;
  } catch {
    return null;
  }
}

function protectedAddress(text: string, token: string | undefined, options: ServeOptions): ListenAddress {
  const address = parseListen(text);
  mustBeProtected(address, token, !options.token);
  return address;
}

interface Opening {
  address: ListenAddress;
  rulesAddress: ListenAddress | null;
  token: string | undefined;
  options: ServeOptions;
  logger: Logger;
  onStop: (detach: boolean) => void;
}

async function open(
  balancer: Balancer,
  { address, rulesAddress, token, options, logger, onStop }: Opening,
): Promise<FastifyInstance[]> {
  const guardOf = ({ host }: ListenAddress) => {
    const rate = options.rateLimit ?? (isLoopback(host) ? undefined : USUAL_RATE);
    return {
      ...(token !== undefined && { token }),
      ...(rate !== undefined && rate > 0 && { requestsPerSecond: rate }),
      hosts: options.hostName ?? [],
    };
  };
  const processMetrics = ofTheProcess();
  const api = await makeApi(balancer, { ...guardOf(address), logger, registries: [processMetrics], onStop });
  const rules =
    rulesAddress === null
      ? null
      : await makeRulesApi(balancer, { ...guardOf(rulesAddress), service: options.rulesService, logger });
  try {
    await listen(api, address);
    if (rules !== null && rulesAddress !== null) await listen(rules, rulesAddress, "What serves /rules");
    return rules === null ? [api] : [api, rules];
  } catch (error) {
    await api.close();
    await rules?.close();
    throw error;
  }
}

/** Memory, CPU, event loop. Without those whose names Prometheus' conventions keep for counters. */
function ofTheProcess(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const what of ["handles", "requests", "resources"]) registry.removeSingleMetric(`nodejs_active_${what}_total`);
  return registry;
}

/** The end of the service, by a signal or by the API; whichever comes first. */
class Ending implements Disposable {
  readonly come: Promise<{ signal: string; detach: boolean }>;
  #resolve: (end: { signal: string; detach: boolean }) => void = () => {};
  readonly #bySignal = (signal: string): void => this.#resolve({ signal, detach: false });

  constructor() {
    this.come = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, this.#bySignal);
  }

  now(detach: boolean): void {
    this.#resolve({ signal: "none, by the API", detach });
  }

  [Symbol.dispose](): void {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.off(name, this.#bySignal);
  }
}

/** What SIGHUP does. A document with mistakes changes nothing. */
function reloader(balancer: Balancer, file: string | undefined, logger: Logger): () => void {
  const reload = async () => {
    if (file === undefined) return logger.warn("There is no document to read again: the service was started without one.");
    notifyServiceManager(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    try {
      const { revision, changes, moved, ends } = await balancer.apply(readStateFile(file));
      logger.info({ file, revision, changes: changes.length, moved, ends }, "The document was read again.");
    } catch (error) {
      const { message, why, fix } = error as WirescriptError;
      logger.error(
        { file, why, fix, ...(!(error instanceof WirescriptError) && { err: error }) },
        `${message} Nothing was changed.`,
      );
    }
    notifyServiceManager(`READY=1\nSTATUS=revision ${balancer.revision}`);
  };
  return () => void reload();
}

/** Tells systemd's watchdog, if there is one, that the event loop runs (sd_watchdog_enabled(3)). */
function watch(): NodeJS.Timeout | undefined {
  const period = Number(process.env.WATCHDOG_USEC) / 1000;
  const isOurs = process.env.WATCHDOG_PID === undefined || Number(process.env.WATCHDOG_PID) === process.pid;
  if (!(period > 0) || !isOurs) return undefined;
  return setInterval(() => notifyServiceManager("WATCHDOG=1"), period / 2).unref();
}
