/** A TC program whose verdict nobody heeds: its filter was attached without "direct-action" (da). */
import { insideWithPins, nameOf, placeOf, word } from "../shell.ts";
import { perSubject } from "./check.ts";

export const tcNoDirectAction = perSubject("tc-no-direct-action", ({ device }) =>
  device.filters
    .filter(({ directAction, programId }) => !directAction && programId !== 0)
    .map(({ direction, priority, handle, programId, name }) => {
      const pin = `/sys/fs/bpf/doctor-${programId}`;
      const place = `dev ${word(device.link.name)} ${direction} protocol all prio ${priority} handle ${handle}`;
      return {
        place: placeOf(device),
        what: `The TC program "${name}" (id ${programId}) on ${nameOf(device)} runs, and its verdict counts for nothing.`,
        evidence: `The ${direction} filter with priority ${priority} and handle ${handle} has no direct-action flag.`,
        why: "Without it the program's result is taken for the number of a traffic class: TC_ACT_SHOT does not drop, and the packet goes its ordinary way.",
        fix: {
          command: `bpftool prog pin id ${programId} ${pin} && ${insideWithPins(device.network, `tc filter replace ${place} bpf da pinned ${pin}`)} && rm ${pin}`,
          safe: false,
        },
      };
    }),
);
