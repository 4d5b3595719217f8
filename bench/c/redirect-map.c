/* SPDX-License-Identifier: MIT */
/* Sends packets out of another interface, by a table of senders: the counterpart of src/programs/redirect-map.bpf.ts. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include "stats.h"

struct mac {
	__u8 addr[ETH_ALEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 256);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} tx_port SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct mac);
	__type(value, struct mac);
	__uint(max_entries, 256);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} redirect_params SEC(".maps");

static __always_inline __u32 send(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct mac *dest;

	if ((void *)(eth + 1) > data_end)
		return XDP_PASS;

	dest = bpf_map_lookup_elem(&redirect_params, eth->h_source);
	if (!dest)
		return XDP_PASS;

	__builtin_memcpy(eth->h_dest, dest->addr, ETH_ALEN);
	return bpf_redirect_map(&tx_port, 0, XDP_ABORTED);
}

SEC("xdp")
int xdp_redirect_map_func(struct xdp_md *ctx)
{
	return count_action(ctx, send(ctx));
}

char _license[] SEC("license") = "Dual MIT/GPL";
