/** Room for headers in front of an IP packet, behind the frame's own header and its VLAN tags. */
import { bytes, struct, type u32, type XdpContext } from "wirescript/kernel";
import { VlanTag } from "wirescript/net";

/** Bytes of an EtherType. */
export const TYPE = 2;
/** Where the first tag, with its EtherType in front, begins. */
const TAGS = 12;
const Tag = struct({ bytes: bytes(VlanTag.size) });

/** Makes room for `size` bytes at `l3`; only the tags of the frame's header are kept. False when there is none. */
export function makeRoom(ctx: XdpContext, l3: u32, size: u32): boolean {
  if (!ctx.adjustHead(-size)) return false;
  for (let tag = TAGS; tag < TAGS + 2 * VlanTag.size; tag += VlanTag.size) {
    if (l3 <= tag + TYPE) return true;
    const from = ctx.at(Tag, tag + size);
    const to = ctx.at(Tag, tag);
    if (!from || !to) return false;
    to.bytes = from.bytes;
  }
  return true;
}
