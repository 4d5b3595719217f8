/* SPDX-License-Identifier: MIT */
/* Drops every packet, and counts it: the counterpart of src/programs/drop.bpf.ts. */
#include "stats.h"

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	return count_action(ctx, XDP_DROP);
}

char _license[] SEC("license") = "Dual MIT/GPL";
