/* SPDX-License-Identifier: MIT */
/* bench/c/redirect.c with the settings' MAC addresses read in wide pieces. */
#include "wide.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "../stats.h"

/* Set by the loader. */
const volatile __u32 ifindex = 0;
const volatile __u8 dest_mac[ETH_ALEN] = {};
/* All zeros: leave it as it is. */
const volatile __u8 src_mac[ETH_ALEN] = {};

static __always_inline __u32 send(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u32 first;
	__u16 last;

	if ((void *)(eth + 1) > data_end)
		return XDP_PASS;
	if (!ifindex)
		return XDP_ABORTED;

	*(wide32 *)eth->h_dest = *(const volatile wide32 *)dest_mac;
	*(wide16 *)(eth->h_dest + 4) = *(const volatile wide16 *)(dest_mac + 4);
	first = *(const volatile wide32 *)src_mac;
	last = *(const volatile wide16 *)(src_mac + 4);
	if (first | last) {
		*(wide32 *)eth->h_source = first;
		*(wide16 *)(eth->h_source + 4) = last;
	}
	return bpf_redirect(ifindex, 0);
}

SEC("xdp")
int xdp_redirect_func(struct xdp_md *ctx)
{
	__u32 action = send(ctx);

	/* As in bench/c/redirect.c. */
	barrier();
	return count_action(ctx, action);
}

char _license[] SEC("license") = "Dual MIT/GPL";
