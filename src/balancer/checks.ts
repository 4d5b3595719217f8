/** What a schema cannot say of a desired state: how its parts fit together. Everything that does not is told at once. */
import type { Backend, Family, Problem, Service, State } from "./contract.ts";
import { isPrime } from "./maglev.ts";
import { backendName } from "./names.ts";
import { holds, isAddress, type NetworkAddress, notAHosts, readAddress, readPrefix } from "./network-address.ts";
import { pointer } from "./validate.ts";

/** What the network says where the state does not: the source addresses of its first device. `null`: there is none; undefined: nobody looked. */
export interface Surroundings {
  source4?: string | null;
  source6?: string | null;
}

/** Backends of all services together: their numbers are 16 bits, and 0 is none. */
export const MOST_BACKENDS = 65_535;

/**
 * The state with its addresses in canonical form and a name for each backend; undefined when there are `problems`, to which all that is wrong
 * is added. `state` is left as it is, and must fit its schema. `trusted` are services that came out of here before, with the same sources.
 */
export function checkState(
  state: State,
  surroundings: Surroundings,
  problems: Problem[],
  trusted: ReadonlySet<unknown> = new Set(),
): State | undefined {
  const before = problems.length;
  const checks = new Checks(state, surroundings, problems, trusted);
  const checked = checks.state(state);
  return problems.length === before ? checked : undefined;
}

/** The port that the backend gets packets on; 0: the one that the client has asked for. */
export function backendPort({ port }: Pick<Backend, "port">, service: Pick<Service, "port">): number {
  return port ?? (service.port === "all" ? 0 : service.port);
}

class Checks {
  readonly #problems: Problem[];
  readonly #trusted: ReadonlySet<unknown>;
  /** By family: the outer source, null when there is none, undefined when nobody knows. */
  readonly #sources: Record<Family, NetworkAddress | null | undefined>;

  constructor(state: State, surroundings: Surroundings, problems: Problem[], trusted: ReadonlySet<unknown>) {
    this.#problems = problems;
    this.#trusted = trusted;
    const source = (stated: string | undefined, found: string | null | undefined) => {
      const text = stated ?? found;
      if (text === null || text === undefined) return text;
      const read = readAddress(text);
      return isAddress(read) ? read : undefined;
    };
    this.#sources = { 4: source(state.source4, surroundings.source4), 6: source(state.source6, surroundings.source6) };
  }

  #refuse(path: string, what: string, fix?: string): void {
    this.#problems.push({ path, what, ...(fix !== undefined && { fix }) });
  }

  state(state: State): State {
    const source4 = this.#source(state.source4, 4);
    const source6 = this.#source(state.source6, 6);
    this.#prime(state.tableSize, "/tableSize");
    const { first, count } = state.natPorts;
    if (first + count > 65_536) {
      this.#refuse("/natPorts/count", `From port ${first} on there are no ${count} ports.`, `Give ${65_536 - first} or less.`);
    }
    this.#twice(
      state.devices,
      ({ name }) => name,
      "/devices",
      "name",
      (name) => `The device ${name}`,
    );
    this.#twice(
      state.services,
      ({ name }) => name,
      "/services",
      "name",
      (name) => `A service called ${name}`,
    );
    const services = state.services.map((service, index) => this.#service(service, `/services/${index}`));
    const where = ({ address, port, protocol }: Service) => `${protocol} ${address} port ${port}`;
    this.#twice(services, where, "/services", "address", (place) => `A service at ${place}`);
    const backends = services.reduce((sum, service) => sum + service.backends.length, 0);
    if (backends > MOST_BACKENDS) {
      this.#refuse("/services", `They have ${backends} backends together.`, `There is room for ${MOST_BACKENDS}.`);
    }
    return { ...state, ...(source4 !== undefined && { source4 }), ...(source6 !== undefined && { source6 }), services };
  }

  #source(text: string | undefined, family: Family): string | undefined {
    return text === undefined ? undefined : this.#host(text, `/source${family}`, family)?.text;
  }

  /** An address that a host has. */
  #host(text: string, path: string, family?: Family): NetworkAddress | undefined {
    const read = readAddress(text);
    if (!isAddress(read)) return void this.#refuse(path, read.what, read.fix);
    const reason = notAHosts(read);
    if (reason !== null) return void this.#refuse(path, reason, "Give the address of a host.");
    if (family !== undefined && read.family !== family) {
      return void this.#refuse(path, `It is an IPv${read.family} address.`, `Give an IPv${family} one.`);
    }
    return read;
  }

  #prime(size: number | undefined, path: string): void {
    if (size === undefined || isPrime(size)) return;
    this.#refuse(path, `${size} is no prime, so some backends would not reach all slots.`, `Give ${nearestPrime(size)}.`);
  }

  /** Those that `of` gives nothing for are like no other. */
  #twice<T>(
    all: readonly T[],
    of: (each: T) => string | undefined,
    path: string,
    field: string,
    subject: (key: string) => string,
  ): void {
    const seen = new Map<string, number>();
    for (const [index, each] of all.entries()) {
      const key = of(each);
      if (key === undefined) continue;
      const first = seen.get(key);
      if (first === undefined) seen.set(key, index);
      else
        this.#refuse(
          pointer(pointer(path, index), field),
          `${subject(key)} is there already, as ${pointer(path, first)}.`,
          "Change one of them, or leave it out.",
        );
    }
  }

  #service(service: Service, path: string): Service {
    if (this.#trusted.has(service)) return service;
    this.#prime(service.tableSize, `${path}/tableSize`);
    const address = this.#vip(service.address, `${path}/address`);
    if (address !== undefined) this.#ownSource(service, address, `${path}/port`);
    if (service.check !== undefined) this.#check(service, `${path}/check`);
    const backends = service.backends.map((backend, index) =>
      this.#backend(backend, service, address, `${path}/backends/${index}`),
    );
    this.#twice(
      backends,
      ({ name }) => name,
      `${path}/backends`,
      "name",
      (name) => `A backend called ${name}`,
    );
    const where = (backend: Backend) => `${backend.address} at port ${backendPort(backend, service)}`;
    this.#twice(backends, where, `${path}/backends`, "address", (place) => `The backend ${place}`);
    return { ...service, ...(address !== undefined && { address: address.text }), backends };
  }

  #vip(text: string, path: string): NetworkAddress | undefined {
    const read = readPrefix(text);
    if (!isAddress(read)) return void this.#refuse(path, read.what, read.fix);
    if (read.prefixLength === 0)
      return void this.#refuse(path, "All addresses would be the balancer's.", "Give a longer prefix.");
    const reason = notAHosts(read);
    if (reason !== null) return void this.#refuse(path, reason, "Give an address that clients can send to.");
    return read;
  }

  /** Answers of backends come to the source address, on ports that a service of all ports would take. */
  #ownSource({ port, mode }: Service, address: NetworkAddress, path: string): void {
    const source = this.#sources[address.family];
    if (port !== "all" || mode !== "nat" || !source || !holds(address, source)) return;
    this.#refuse(
      path,
      `The answers of backends come to ${source.text}, and this service would take all its ports.`,
      `Give ports, or another source${address.family}.`,
    );
  }

  #check({ check, port, backends }: Service, path: string): void {
    if (check === undefined) return;
    if (check.type === "icmp") {
      if (check.port !== undefined) this.#refuse(`${path}/port`, "ICMP has no ports.", "Leave it out.");
    } else if (port === "all" && check.port === undefined && backends.some((backend) => backend.port === undefined)) {
      this.#refuse(path, "The service has all ports, so the check does not know which to ask.", "Give the check a port.");
    }
  }

  #backend(backend: Backend, service: Service, vip: NetworkAddress | undefined, path: string): Backend {
    const address = this.#host(backend.address, `${path}/address`);
    if (vip !== undefined && address !== undefined) this.#mode(service, vip.family, address, path);
    this.#port(backend, service, `${path}/port`);
    if (backend.drainSeconds !== undefined && !backend.drain) {
      this.#refuse(`${path}/drainSeconds`, "The backend does not drain.", "Add drain: true, or leave drainSeconds out.");
    }
    this.#nextHop(backend, service, path);
    const source = this.#redirectSource(backend, service, vip, `${path}/source`);
    if (address === undefined) return backend;
    const { text } = address;
    const name = backendName({ ...backend, address: text });
    const mac = backend.mac?.toLowerCase();
    // A new field stands before the spread: behind it, V8 would give each object a hidden class of its own, and all who read backends wait.
    return { name, ...backend, address: text, ...(mac !== undefined && { mac }), ...(source !== undefined && { source }) };
  }

  #mode({ mode }: Service, family: Family, address: NetworkAddress, path: string): void {
    const tunnel = mode === "ipip" || mode === "gue";
    if (!tunnel && address.family !== family) {
      this.#refuse(
        `${path}/address`,
        `It is an IPv${address.family} address, and the service's is IPv${family}.`,
        "Give one of the same family, or use mode ipip or gue.",
      );
    } else if ((tunnel || mode === "nat") && this.#sources[address.family] === null) {
      const sender = tunnel ? "The tunnel" : "NAT";
      this.#refuse(
        `${path}/address`,
        `${sender} has no IPv${address.family} address to send from.`,
        `Give source${address.family}, or the first device an address.`,
      );
    }
  }

  #port({ port }: Backend, service: Service, path: string): void {
    if (port === undefined) return;
    const rewrites = service.mode === "nat" || service.mode === "redirect";
    if (service.port === "all") {
      this.#refuse(
        path,
        "The service has all ports, which the backend gets as they are.",
        "Leave it out, or give the service a port.",
      );
    } else if (!rewrites && port !== service.port) {
      this.#refuse(
        path,
        `The mode ${service.mode} leaves ports as they are: the backend gets packets to port ${service.port}.`,
        "Leave it out, or use mode nat.",
      );
    }
  }

  #nextHop({ mac, device }: Backend, { mode }: Service, path: string): void {
    if (mode === "redirect" && mac === undefined)
      this.#refuse(path, "The mode redirect needs the mac that packets are sent to.", "Give mac and device.");
    if (mode === "redirect" && device === undefined)
      this.#refuse(path, "The mode redirect needs the device that packets leave by.", "Give mac and device.");
    if (mode === "redirect") return;
    if (mac !== undefined && device === undefined)
      this.#refuse(`${path}/mac`, "It is not said which device that is behind.", "Give device too, or leave mac out.");
    if (mac === undefined && device !== undefined)
      this.#refuse(`${path}/device`, "It is not said whose mac that is.", "Give mac too, or leave device out.");
  }

  #redirectSource({ source }: Backend, { mode }: Service, vip: NetworkAddress | undefined, path: string): string | undefined {
    if (source === undefined) {
      if (mode !== "redirect" || vip === undefined || this.#sources[vip.family] !== null) return undefined;
      return void this.#refuse(
        path,
        "The mode redirect needs an address to send from.",
        `Give source, or the state's source${vip.family}.`,
      );
    }
    if (mode !== "redirect")
      return void this.#refuse(path, `The mode ${mode} does not use it.`, "Leave it out, or use mode redirect.");
    return this.#host(source, path, vip?.family)?.text;
  }
}

/** The larger of two that are as near; 65,537 is the largest that a table may have. */
function nearestPrime(size: number): number {
  for (let distance = 1; ; distance++) {
    if (size + distance <= 65_537 && isPrime(size + distance)) return size + distance;
    if (isPrime(size - distance)) return size - distance;
  }
}
