/** Numbers of the kernel's helper functions (`enum bpf_func_id` of linux/bpf.h) that this project calls or names. */
export const HELPER = {
  map_lookup_elem: 1,
  map_update_elem: 2,
  map_delete_elem: 3,
  ktime_get_ns: 5,
  trace_printk: 6,
  get_prandom_u32: 7,
  get_smp_processor_id: 8,
  tail_call: 12,
  redirect: 23,
  csum_diff: 28,
  xdp_adjust_head: 44,
  redirect_map: 51,
  xdp_adjust_meta: 54,
  xdp_adjust_tail: 65,
  fib_lookup: 69,
  map_push_elem: 87,
  map_pop_elem: 88,
  map_peek_elem: 89,
} as const;

export type HelperName = keyof typeof HELPER;
