/** What helper calls do to memory: passes ask here before they move, merge or remove loads and stores around a call. */
import { HELPER } from "../../object/helpers.ts";
import type { Region } from "./ir.ts";

export interface Effects {
  /** Regions that the helper may read through its arguments or from the kernel's side. */
  reads: readonly Region[];
  writes: readonly Region[];
  /** Same arguments, same state of `reads`: same result, and no other effect; a second call may be merged into the first. */
  pure: boolean;
}

const EVERYTHING: Effects = {
  reads: ["context", "packet", "map", "stack", "data", "record"],
  writes: ["context", "packet", "map", "stack", "data", "record"],
  pure: false,
};

/** Moves the packet, or may: addresses in it and the context's fields are new afterwards. The stack is as it was. */
const MOVES_PACKET: Effects = {
  reads: ["context", "packet", "map", "stack", "data"],
  writes: ["context", "packet"],
  pure: false,
};

const EFFECTS: Partial<Record<number, Effects>> = {
  // Not pure: an element may come and go between two lookups.
  [HELPER.map_lookup_elem]: { reads: ["packet", "map", "stack", "data"], writes: [], pure: false },
  [HELPER.map_update_elem]: { reads: ["packet", "map", "stack", "data"], writes: ["map"], pure: false },
  [HELPER.map_delete_elem]: { reads: ["packet", "map", "stack", "data"], writes: ["map"], pure: false },
  [HELPER.map_lookup_percpu_elem]: { reads: ["packet", "map", "stack", "data"], writes: [], pure: false },
  [HELPER.map_push_elem]: { reads: ["packet", "map", "stack", "data"], writes: ["map"], pure: false },
  [HELPER.map_pop_elem]: { reads: ["map"], writes: ["stack"], pure: false },
  // Of a bloom filter it reads the value, of a queue or stack it writes it.
  [HELPER.map_peek_elem]: { reads: ["map", "stack", "data"], writes: ["stack"], pure: false },
  [HELPER.ringbuf_output]: { reads: ["map", "stack", "data"], writes: [], pure: false },
  [HELPER.ringbuf_reserve]: { reads: [], writes: ["record"], pure: false },
  [HELPER.ringbuf_submit]: { reads: ["record"], writes: ["record"], pure: false },
  [HELPER.ringbuf_discard]: { reads: ["record"], writes: ["record"], pure: false },
  [HELPER.ringbuf_query]: { reads: [], writes: [], pure: false },
  [HELPER.ktime_get_ns]: { reads: [], writes: [], pure: false },
  [HELPER.ktime_get_coarse_ns]: { reads: [], writes: [], pure: false },
  [HELPER.jiffies64]: { reads: [], writes: [], pure: false },
  [HELPER.get_prandom_u32]: { reads: [], writes: [], pure: false },
  [HELPER.get_smp_processor_id]: { reads: [], writes: [], pure: true },
  [HELPER.redirect]: { reads: [], writes: [], pure: false },
  [HELPER.redirect_map]: { reads: ["map"], writes: [], pure: false },
  [HELPER.fib_lookup]: { reads: ["context", "stack"], writes: ["stack"], pure: false },
  [HELPER.csum_diff]: { reads: ["packet", "map", "stack", "data"], writes: [], pure: true },
  [HELPER.skb_store_bytes]: MOVES_PACKET,
  [HELPER.l3_csum_replace]: MOVES_PACKET,
  [HELPER.l4_csum_replace]: MOVES_PACKET,
  [HELPER.clone_redirect]: MOVES_PACKET,
  [HELPER.skb_vlan_push]: MOVES_PACKET,
  [HELPER.skb_vlan_pop]: MOVES_PACKET,
  [HELPER.skb_change_tail]: MOVES_PACKET,
  [HELPER.skb_change_head]: MOVES_PACKET,
  [HELPER.skb_pull_data]: MOVES_PACKET,
  [HELPER.skb_adjust_room]: MOVES_PACKET,
  [HELPER.xdp_adjust_head]: MOVES_PACKET,
  [HELPER.xdp_adjust_tail]: MOVES_PACKET,
  [HELPER.xdp_adjust_meta]: MOVES_PACKET,
  [HELPER.skb_load_bytes]: { reads: ["packet"], writes: ["stack"], pure: false },
  [HELPER.xdp_load_bytes]: { reads: ["packet"], writes: ["stack"], pure: false },
  [HELPER.xdp_store_bytes]: { reads: ["map", "stack", "data"], writes: ["packet"], pure: false },
  [HELPER.xdp_get_buff_len]: { reads: ["context"], writes: [], pure: true },
  [HELPER.skb_change_type]: { reads: ["context"], writes: ["context"], pure: false },
  [HELPER.set_hash]: { reads: ["context"], writes: ["context"], pure: false },
  [HELPER.set_hash_invalid]: { reads: ["context"], writes: ["context"], pure: false },
  [HELPER.get_hash_recalc]: { reads: ["context", "packet"], writes: ["context"], pure: false },
  [HELPER.redirect_neigh]: { reads: ["stack"], writes: [], pure: false },
  [HELPER.redirect_peer]: { reads: [], writes: [], pure: false },
  [HELPER.trace_printk]: { reads: ["packet", "map", "stack", "data"], writes: [], pure: false },
};

export function effectsOf(helper: number): Effects {
  return EFFECTS[helper] ?? EVERYTHING;
}
