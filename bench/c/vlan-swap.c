/* SPDX-License-Identifier: MIT */
/* Takes the outermost VLAN tag off, or gives one to packets without: the counterpart of src/programs/vlan-swap.bpf.ts. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "cursor.h"

#define VLAN_ID 1

static __always_inline void pop_tag(struct xdp_md *ctx, struct ethhdr *eth)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct vlan_hdr *vlan = (void *)(eth + 1);
	struct ethhdr copy;

	if ((void *)(vlan + 1) > data_end)
		return;

	__builtin_memcpy(&copy, eth, sizeof(copy));
	copy.h_proto = vlan->h_vlan_encapsulated_proto;
	if (bpf_xdp_adjust_head(ctx, (int)sizeof(*vlan)))
		return;

	data_end = (void *)(long)ctx->data_end;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > data_end)
		return;
	__builtin_memcpy(eth, &copy, sizeof(copy));
}

static __always_inline void push_tag(struct xdp_md *ctx, struct ethhdr *eth)
{
	void *data_end;
	struct vlan_hdr *vlan;
	struct ethhdr copy;

	__builtin_memcpy(&copy, eth, sizeof(copy));
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*vlan)))
		return;

	data_end = (void *)(long)ctx->data_end;
	eth = (void *)(long)ctx->data;
	vlan = (void *)(eth + 1);
	if ((void *)(vlan + 1) > data_end)
		return;
	vlan->h_vlan_TCI = bpf_htons(VLAN_ID);
	vlan->h_vlan_encapsulated_proto = copy.h_proto;
	copy.h_proto = bpf_htons(ETH_P_8021Q);
	__builtin_memcpy(eth, &copy, sizeof(copy));
}

SEC("xdp")
int xdp_vlan_swap_func(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > data_end)
		return XDP_PASS;
	if (is_vlan(eth->h_proto))
		pop_tag(ctx, eth);
	else
		push_tag(ctx, eth);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
