/* SPDX-License-Identifier: MIT */
/* Lowers the destination port of TCP and UDP by one: the counterpart of src/programs/patch-ports.bpf.ts. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "checksum.h"
#include "cursor.h"
#include "stats.h"

#define IP_OFFSET 0x1fff /* not in the kernel's headers for user space */

static __always_inline __be16 lower(__be16 port)
{
	return bpf_htons(bpf_ntohs(port) - 1);
}

static __always_inline __u32 patch_udp(struct cursor *cur)
{
	struct udphdr *udp = cur->pos;
	__be16 port;
	__sum16 check;

	if (!advance(cur, sizeof(*udp)) || bpf_ntohs(udp->len) < sizeof(*udp))
		return XDP_ABORTED;

	port = udp->dest;
	udp->dest = lower(port);
	if (udp->check) {
		check = csum_replace(udp->check, port, lower(port));
		udp->check = check ? check : 0xffff;
	}
	return XDP_PASS;
}

static __always_inline __u32 patch_tcp(struct cursor *cur)
{
	struct tcphdr *tcp = cur->pos;
	__be16 port;

	if (!advance(cur, sizeof(*tcp)) || tcp->doff < 5)
		return XDP_ABORTED;
	if ((void *)tcp + tcp->doff * 4 > cur->end)
		return XDP_ABORTED;

	port = tcp->dest;
	tcp->dest = lower(port);
	tcp->check = csum_replace(tcp->check, port, lower(port));
	return XDP_PASS;
}

static __always_inline __u32 patch(struct xdp_md *ctx)
{
	struct cursor cur = {
		.pos = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	struct ethhdr *eth = cur.pos;
	struct ipv6hdr *ip6;
	struct iphdr *ip;
	__u8 protocol;

	if (!advance(&cur, sizeof(*eth)))
		return XDP_PASS;

	switch (skip_vlan_tags(&cur, eth->h_proto)) {
	case bpf_htons(ETH_P_IP):
		ip = cur.pos;
		if (!advance(&cur, sizeof(*ip)) || ip->ihl < 5)
			return XDP_PASS;
		/* Only the first fragment has ports. */
		if (ip->frag_off & bpf_htons(IP_OFFSET))
			return XDP_PASS;
		cur.pos = (void *)ip + ip->ihl * 4;
		protocol = ip->protocol;
		break;
	case bpf_htons(ETH_P_IPV6):
		ip6 = cur.pos;
		if (!advance(&cur, sizeof(*ip6)))
			return XDP_PASS;
		protocol = ip6->nexthdr;
		break;
	default:
		return XDP_PASS;
	}

	if (protocol == IPPROTO_UDP)
		return patch_udp(&cur);
	if (protocol == IPPROTO_TCP)
		return patch_tcp(&cur);
	return XDP_PASS;
}

SEC("xdp")
int xdp_patch_ports_func(struct xdp_md *ctx)
{
	return count_action(ctx, patch(ctx));
}

char _license[] SEC("license") = "Dual MIT/GPL";
