/* SPDX-License-Identifier: MIT */
/* Drops every packet as if the program had failed, and counts it: the counterpart of src/programs/aborted.bpf.ts. */
#include "stats.h"

SEC("xdp")
int aborted(struct xdp_md *ctx)
{
	return count_action(ctx, XDP_ABORTED);
}

char _license[] SEC("license") = "Dual MIT/GPL";
