/** The addresses that the balancer sends from: what the state says, else the first of the first device's that other hosts can answer to. */
import { findLink, listAddresses } from "../sys/netlink/index.ts";
import type { Surroundings } from "./checks.ts";
import type { State } from "./contract.ts";
import type { Sources } from "./datapath/records.ts";

/** In this process's network namespace, now. */
export function surroundingsOf(device: string | undefined): Required<Surroundings> {
  const link = device === undefined ? null : findLink(device);
  const addresses =
    link === null ? [] : listAddresses(link.ifindex).filter(({ scope, tentative }) => scope === 0 && !tentative);
  const first = (wanted: 4 | 6) => addresses.find(({ family }) => family === wanted)?.address ?? null;
  return { source4: first(4), source6: first(6) };
}

export function sourcesOf(state: State): Sources {
  const found = surroundingsOf(state.devices[0]?.name);
  return { source4: state.source4 ?? found.source4, source6: state.source6 ?? found.source6 };
}
