/** What programs have written to a ring buffer, as bytes: for tests that compare it with what they should have written. */
import { type BpfMap, RingBufferMap } from "../src/index.ts";

/** The records that are there, which are taken out. Stops in front of one that is still reserved. */
export function takeRecords(map: BpfMap): Uint8Array[] {
  if (!(map instanceof RingBufferMap)) throw new Error(`${map.name} is no ring buffer`);
  using reader = map.reader({ decode: (bytes) => bytes });
  const records: Uint8Array[] = [];
  reader.drain((record) => records.push(record));
  return records;
}
