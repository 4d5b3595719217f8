/**
 * libxdp's dispatcher (xdp-loader, AF_XDP applications): one program named "xdp_dispatcher" on the device, which calls up to ten others that
 * libxdp put into it, and pins of these in a directory named after the device's index and the dispatcher's id. Whoever replaces the dispatcher
 * takes all of them off at once, so their names belong into the question whether to do it. Source: protocol.org of xdp-tools.
 */
import { programById, programInfo, unlessGone } from "../../sys/bpf.ts";
import { listPins } from "../pins.ts";
import type { AttachedProgram } from "./device.ts";

export interface Dispatched {
  id: number;
  name: string;
}

export function isDispatcher({ name }: Pick<AttachedProgram, "name">): boolean {
  return name === "xdp_dispatcher";
}

/** The programs that the dispatcher calls, in the order in which it does; as far as their pins are there. */
export function dispatchedBy({ id }: Pick<AttachedProgram, "id">, ifindex: number): Dispatched[] {
  const place = new RegExp(`/dispatch-${ifindex}-${id}/prog(\\d+)-prog$`);
  return listPins()
    .flatMap(({ path, kind, id: programId }) => {
      const slot = place.exec(path)?.[1];
      if (slot === undefined || kind !== "program") return [];
      const fd = unlessGone(() => programById(programId));
      if (fd === null) return [];
      using program = fd;
      return [{ slot: Number(slot), id: programId, name: programInfo(program).name }];
    })
    .sort((a, b) => a.slot - b.slot)
    .map(({ id: programId, name }) => ({ id: programId, name }));
}
