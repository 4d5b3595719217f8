/* SPDX-License-Identifier: MIT */
/*
 * Answers pings over IPv4 and IPv6 in the driver: the counterpart of src/programs/echo.bpf.ts, to the byte. Written the way C for
 * XDP is written: the kernel's headers, a cursor that checks bounds, small functions for the compiler to inline.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "checksum.h"
#include "cursor.h"
#include "stats.h"

/* What ICMP and ICMPv6 messages start with. */
struct icmp_common {
	__u8 type;
	__u8 code;
	__sum16 cksum;
};

static __always_inline void swap_macs(struct ethhdr *eth)
{
	__u8 tmp[ETH_ALEN];

	__builtin_memcpy(tmp, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, tmp, ETH_ALEN);
}

/* The echo request over IPv4 behind the cursor, or NULL; its source and destination are swapped. */
static __always_inline struct icmp_common *turn_ipv4(struct cursor *cur)
{
	struct iphdr *ip = cur->pos;
	struct icmp_common *icmp;
	__be32 saddr;

	if (!advance(cur, sizeof(*ip)) || ip->ihl < 5 || ip->protocol != IPPROTO_ICMP)
		return NULL;

	cur->pos = (void *)ip + ip->ihl * 4;
	icmp = cur->pos;
	if (!advance(cur, sizeof(*icmp)) || icmp->type != ICMP_ECHO)
		return NULL;

	/* The header's own checksum stays right: a sum does not care for the order of its terms. */
	saddr = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = saddr;
	return icmp;
}

/* The same over IPv6. */
static __always_inline struct icmp_common *turn_ipv6(struct cursor *cur)
{
	struct ipv6hdr *ip6 = cur->pos;
	struct icmp_common *icmp;
	struct in6_addr saddr;

	if (!advance(cur, sizeof(*ip6)) || ip6->nexthdr != IPPROTO_ICMPV6)
		return NULL;

	icmp = cur->pos;
	if (!advance(cur, sizeof(*icmp)) || icmp->type != ICMPV6_ECHO_REQUEST)
		return NULL;

	saddr = ip6->saddr;
	ip6->saddr = ip6->daddr;
	ip6->daddr = saddr;
	return icmp;
}

static __always_inline __u32 answer(struct xdp_md *ctx)
{
	struct cursor cur = {
		.pos = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	struct ethhdr *eth = cur.pos;
	struct icmp_common *icmp;
	__u8 request, reply;

	if (!advance(&cur, sizeof(*eth)))
		return XDP_PASS;

	switch (skip_vlan_tags(&cur, eth->h_proto)) {
	case bpf_htons(ETH_P_IP):
		icmp = turn_ipv4(&cur);
		request = ICMP_ECHO;
		reply = ICMP_ECHOREPLY;
		break;
	case bpf_htons(ETH_P_IPV6):
		icmp = turn_ipv6(&cur);
		request = ICMPV6_ECHO_REQUEST;
		reply = ICMPV6_ECHO_REPLY;
		break;
	default:
		return XDP_PASS;
	}
	if (!icmp)
		return XDP_PASS;

	swap_macs(eth);
	icmp->type = reply;
	icmp->cksum = csum_replace(icmp->cksum, bpf_htons(request << 8), bpf_htons(reply << 8));
	return XDP_TX;
}

SEC("xdp")
int echo(struct xdp_md *ctx)
{
	return count_action(ctx, answer(ctx));
}

char _license[] SEC("license") = "Dual MIT/GPL";
