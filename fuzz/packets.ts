/** Random packets: of many lengths, with bytes that programs decide by more often than chance would have it. */
import { Random } from "./random.ts";

export function randomPackets(seed: number, count: number): Uint8Array[] {
  const random = new Random(seed ^ 0x5bd1_e995);
  return Array.from({ length: count }, () => {
    const length = random.chance(70) ? random.between(100, 240) : random.between(14, 100);
    const kind = random.below(3);
    return Uint8Array.from({ length }, () => {
      if (kind === 0) return random.below(256);
      if (kind === 1) return random.pick([0, 0, 0, 1, 2, 7, 0x7f, 0x80, 0xff]);
      return random.chance(50) ? random.below(256) : random.below(4);
    });
  });
}
