/* SPDX-License-Identifier: MIT */
/* Drops every packet, and counts by IP protocol: the counterpart of src/programs/protocol-counter.bpf.ts. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "cursor.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 256);
} rxcnt SEC(".maps");

static __always_inline __u32 protocol_of(struct cursor *cur, __be16 proto)
{
	struct ipv6hdr *ip6 = cur->pos;
	struct iphdr *ip = cur->pos;

	if (proto == bpf_htons(ETH_P_IP))
		return advance(cur, sizeof(*ip)) ? ip->protocol : 0;
	if (proto == bpf_htons(ETH_P_IPV6))
		return advance(cur, sizeof(*ip6)) ? ip6->nexthdr : 0;
	return 0;
}

SEC("xdp")
int xdp_prog1(struct xdp_md *ctx)
{
	struct cursor cur = {
		.pos = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	struct ethhdr *eth = cur.pos;
	__u32 protocol;
	__u64 *count;

	if (!advance(&cur, sizeof(*eth)))
		return XDP_DROP;

	protocol = protocol_of(&cur, skip_vlan_tags(&cur, eth->h_proto));
	count = bpf_map_lookup_elem(&rxcnt, &protocol);
	if (count)
		*count += 1;
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
