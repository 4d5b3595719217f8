/**
 * Desired states made of others: one service or backend is put, or taken out. Pure. Each says where in the state its part is, so that problems which
 * the checks find there can be told by their place in the request.
 */
import { backendName } from "../names.ts";
import type { Backend, Service, State } from "../state.ts";
import { notFound } from "./problem.ts";

export interface Edit {
  state: State;
  /** JSON pointer of what the request's body became; null when it became nothing. */
  at: string | null;
  /** True when that was not there before. */
  created: boolean;
}

export function findService(state: State, name: string): Service | undefined {
  return state.services.find((service) => service.name === name);
}

export function findBackend({ backends }: Service, name: string): Backend | undefined {
  return backends.find((backend) => backendName(backend) === name);
}

/** @throws Refusal 404 */
export function serviceIn(state: State, name: string): Service {
  const found = findService(state, name);
  if (found !== undefined) return found;
  throw notFound(
    "service",
    name,
    state.services.map((each) => each.name),
  );
}

/** @throws Refusal 404 */
export function backendIn(service: Service, name: string): Backend {
  const found = findBackend(service, name);
  if (found !== undefined) return found;
  throw notFound(`backend of ${service.name}`, name, service.backends.map(backendName));
}

/** In the place of the service that is called `name`, or behind all others. */
export function putService(state: State, name: string, service: Service): Edit {
  const { list, index, created } = put(state.services, (each) => each.name === name, service);
  return { state: { ...state, services: list }, at: `/services/${index}`, created };
}

export function removeService(state: State, name: string): Edit {
  return { state: { ...state, services: state.services.filter((each) => each.name !== name) }, at: null, created: false };
}

/** `service` must be there; a backend with `name`, or the next one behind all others. */
export function putBackend(state: State, service: Service, name: string, backend: Backend): Edit {
  const { list, index, created } = put(service.backends, (each) => backendName(each) === name, backend);
  const whole = putService(state, service.name, { ...service, backends: list });
  return { ...whole, at: `${whole.at}/backends/${index}`, created };
}

export function removeBackend(state: State, service: Service, name: string): Edit {
  const backends = service.backends.filter((each) => backendName(each) !== name);
  return { ...putService(state, service.name, { ...service, backends }), at: null };
}

function put<T>(list: readonly T[], isIt: (each: T) => boolean, value: T): { list: T[]; index: number; created: boolean } {
  const found = list.findIndex(isIt);
  if (found < 0) return { list: [...list, value], index: list.length, created: true };
  return { list: list.with(found, value), index: found, created: false };
}
