/* SPDX-License-Identifier: MIT */
/* Gives every packet to the network stack, and counts it: the counterpart of src/programs/pass.bpf.ts. */
#include "stats.h"

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return count_action(ctx, XDP_PASS);
}

char _license[] SEC("license") = "Dual MIT/GPL";
