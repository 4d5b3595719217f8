/** The helper functions of TC programs, emulated on the socket buffer. */

import { HELPER } from "../object/helpers.ts";
import { int32, uint32 } from "./arithmetic.ts";
import { VmFault } from "./fault.ts";
import type { Helper } from "./helpers.ts";
import { replaceL3Checksum, replaceL4Checksum } from "./skb-checksum.ts";

const TC_ACT_SHOT = 2n;
const TC_ACT_REDIRECT = 7n;
const EINVAL = -22n;
const EFAULT = -14n;
const BPF_F_INGRESS = 1n;

/** BPF_F_ADJ_ROOM_FIXED_GSO and _NO_CSUM_RESET, which change nothing of what can be seen here. */
const PLAIN_ROOM_FLAGS = 0x21n;

const swapped = (value: bigint): number => ((uint32(value) & 0xff) << 8) | ((uint32(value) >> 8) & 0xff);

export const SKB_HELPERS: Readonly<Record<number, Helper>> = {
  [HELPER.redirect]: (host, argument) => {
    const flags = argument(2);
    if ((flags & ~BPF_F_INGRESS) !== 0n) return TC_ACT_SHOT;
    host.redirected({ ifindex: uint32(argument(1)), ...(flags === BPF_F_INGRESS && { ingress: true }) });
    return TC_ACT_REDIRECT;
  },
  [HELPER.redirect_peer]: (host, argument) => {
    if (argument(2) !== 0n) return TC_ACT_SHOT;
    host.redirected({ ifindex: uint32(argument(1)), peer: true });
    return TC_ACT_REDIRECT;
  },
  [HELPER.redirect_neigh]: (host, argument) => {
    if (argument(4) !== 0n || (argument(3) !== 0n && argument(3) < 20n)) return TC_ACT_SHOT;
    host.redirected({ ifindex: uint32(argument(1)), neighbour: true });
    return TC_ACT_REDIRECT;
  },
  [HELPER.clone_redirect]: (host, argument) => {
    if ((argument(3) & ~BPF_F_INGRESS) !== 0n) return EINVAL;
    host.cloned({ ifindex: uint32(argument(2)), ingress: argument(3) === BPF_F_INGRESS, packet: host.skb.bytes });
    host.skb.makeWritable(0);
    return 0n;
  },
  [HELPER.skb_pull_data]: (host, argument) => host.skb.pull(uint32(argument(2))),
  [HELPER.skb_change_tail]: (host, argument) => (argument(3) === 0n ? host.skb.changeTail(uint32(argument(2))) : EINVAL),
  [HELPER.skb_change_head]: (host, argument) => (argument(3) === 0n ? host.skb.changeHead(uint32(argument(2))) : EINVAL),
  [HELPER.skb_vlan_push]: (host, argument) => host.skb.pushVlan(swapped(argument(2)), uint32(argument(3)) & 0xffff),
  [HELPER.skb_vlan_pop]: (host) => host.skb.popVlan(),
  [HELPER.skb_change_type]: (host, argument) => host.skb.changeType(uint32(argument(2))),
  [HELPER.skb_store_bytes]: (host, argument) =>
    host.skb.storeBytes(uint32(argument(2)), host.space.read(argument(3), uint32(argument(4))), argument(5)),
  [HELPER.skb_load_bytes]: (host, argument) => {
    const [offset, length] = [uint32(argument(2)), uint32(argument(4))];
    const there = offset <= 0x7fff_ffff && offset + length <= host.skb.length;
    host.space.write(argument(3), there ? host.skb.region.bytes.slice(offset, offset + length) : new Uint8Array(length));
    return there ? 0n : EFAULT;
  },
  [HELPER.l3_csum_replace]: (host, argument) =>
    replaceL3Checksum(host.skb, uint32(argument(2)), argument(3), argument(4), argument(5)),
  [HELPER.l4_csum_replace]: (host, argument) =>
    replaceL4Checksum(host.skb, uint32(argument(2)), argument(3), argument(4), argument(5)),
  [HELPER.set_hash]: (host, argument) => {
    host.skb.setHash(uint32(argument(2)));
    return 0n;
  },
  [HELPER.set_hash_invalid]: (host) => {
    host.skb.setHash(0);
    return 0n;
  },
  // The kernel computes one with a key of its own when there is none.
  [HELPER.get_hash_recalc]: (host) => BigInt(host.skb.hash),
  [HELPER.skb_adjust_room]: (host, argument) => {
    if ((argument(4) & ~PLAIN_ROOM_FLAGS) !== 0n)
      throw new VmFault("The interpreter has no encapsulating bpf_skb_adjust_room.");
    return host.skb.adjustRoom(int32(argument(2)), uint32(argument(3)));
  },
};
