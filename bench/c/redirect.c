/* SPDX-License-Identifier: MIT */
/* Sends every packet out of another interface: the counterpart of src/programs/redirect.bpf.ts. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include "stats.h"

/* Set by the loader. */
const volatile __u32 ifindex = 0;
const volatile __u8 dest_mac[ETH_ALEN] = {};
/* All zeros: leave it as it is. */
const volatile __u8 src_mac[ETH_ALEN] = {};

static __always_inline void set_mac(__u8 *to, const volatile __u8 *mac)
{
#pragma unroll
	for (int i = 0; i < ETH_ALEN; i++)
		to[i] = mac[i];
}

static __always_inline int is_zero(const volatile __u8 *mac)
{
	return !(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

static __always_inline __u32 send(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > data_end)
		return XDP_PASS;
	if (!ifindex)
		return XDP_ABORTED;

	set_mac(eth->h_dest, dest_mac);
	if (!is_zero(src_mac))
		set_mac(eth->h_source, src_mac);
	return bpf_redirect(ifindex, 0);
}

SEC("xdp")
int xdp_redirect_func(struct xdp_md *ctx)
{
	__u32 action = send(ctx);

	/* Without this clang keeps the packet's end as a 32-bit number (from v3 on), and the verifier no longer knows it. */
	barrier();
	return count_action(ctx, action);
}

char _license[] SEC("license") = "Dual MIT/GPL";
