/** Which maps are being read in this process: each record can go to one reader only, so there is one. */
import { WirescriptError } from "../../errors.ts";

const open = new Set<number>();

/** Notes that the map is read; returns what ends that. @throws WirescriptError USAGE when it is read already. */
export function claim(mapId: number, what: string): () => void {
  if (open.has(mapId)) {
    throw new WirescriptError({
      code: "USAGE",
      what: `${what} is being read already.`,
      why: "Each record can be taken out once, so two readers would each get a part of them.",
      fix: "Close the other reader first, or have the one reader pass events on.",
    });
  }
  open.add(mapId);
  return () => open.delete(mapId);
}
