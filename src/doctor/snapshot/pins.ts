/** What is pinned, and whether anything in the kernel still works with it. */
import { listPins, type Pin } from "../../runtime/pins.ts";
import { ids, linkById, linkInfo, programById, programInfo, unlessGone } from "../../sys/bpf.ts";

export interface PinFacts extends Pin {
  /**
   * Nothing in the kernel works with it: a map that no program has; a link whose device is gone. False for programs, which may be waiting to be
   * attached.
   */
  idle: boolean;
}

/** All pins of all BPF file systems that this process sees. */
export function readPins(): PinFacts[] {
  const pins = listPins();
  if (pins.length === 0) return [];
  const used = usedMaps();
  return pins.map((pin) => ({
    ...pin,
    idle: (pin.kind === "map" && !used.has(pin.id)) || (pin.kind === "link" && isDetached(pin.id)),
  }));
}

function usedMaps(): Set<number> {
  return new Set(
    [...ids("PROG")].flatMap((id) => {
      const fd = unlessGone(() => programById(id));
      if (fd === null) return [];
      using program = fd;
      return programInfo(program).mapIds;
    }),
  );
}

/** The kernel takes a link off its device when that goes. */
function isDetached(id: number): boolean {
  const fd = unlessGone(() => linkById(id));
  if (fd === null) return false;
  using link = fd;
  return linkInfo(link).ifindex === 0;
}
