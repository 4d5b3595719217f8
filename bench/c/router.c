/* SPDX-License-Identifier: MIT */
/* Routes in the driver by the kernel's own routing tables: the counterpart of src/programs/router.bpf.ts, to the byte. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "stats.h"

/* Not in the kernel's headers for user space. */
#define AF_INET 2
#define AF_INET6 10
#define FLOWINFO_MASK bpf_htonl(0x0fffffff)

#define OTHER_RESULT 10

/* How often each answer came; the last element counts errors and answers of newer kernels. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, OTHER_RESULT + 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} fib_results SEC(".maps");

static __always_inline void count_result(long result)
{
	__u32 index = result >= 0 && result < OTHER_RESULT ? result : OTHER_RESULT;
	__u64 *counter = bpf_map_lookup_elem(&fib_results, &index);

	if (counter)
		(*counter)++;
}

/* Routes that say to drop are obeyed; everything else is for the stack. */
static __always_inline __u32 unrouted(long result)
{
	switch (result) {
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

/* One hop less, and the header's checksum still right: the TTL is the high byte of its word. */
static __always_inline void decrease_ttl(struct iphdr *ip)
{
	__u32 sum = ip->check + bpf_htons(0x0100);

	ip->check = sum + (sum >= 0xffff);
	ip->ttl--;
}

static __always_inline __u32 forward(struct ethhdr *eth, const struct bpf_fib_lookup *fib)
{
	__builtin_memcpy(eth->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, fib->smac, ETH_ALEN);
	return bpf_redirect(fib->ifindex, 0);
}

static __always_inline __u32 route_ipv4(struct xdp_md *ctx, struct ethhdr *eth, void *data_end)
{
	struct bpf_fib_lookup fib = {};
	struct iphdr *ip = (void *)(eth + 1);
	long result;

	if ((void *)(ip + 1) > data_end)
		return XDP_DROP;
	if (ip->ttl <= 1)
		return XDP_PASS;

	fib.family = AF_INET;
	fib.l4_protocol = ip->protocol;
	fib.tot_len = bpf_ntohs(ip->tot_len);
	fib.ifindex = ctx->ingress_ifindex;
	fib.tos = ip->tos;
	fib.ipv4_src = ip->saddr;
	fib.ipv4_dst = ip->daddr;
	result = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	count_result(result);
	if (result != BPF_FIB_LKUP_RET_SUCCESS)
		return unrouted(result);

	decrease_ttl(ip);
	return forward(eth, &fib);
}

static __always_inline __u32 route_ipv6(struct xdp_md *ctx, struct ethhdr *eth, void *data_end)
{
	struct bpf_fib_lookup fib = {};
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	long result;

	if ((void *)(ip6 + 1) > data_end)
		return XDP_DROP;
	if (ip6->hop_limit <= 1)
		return XDP_PASS;

	fib.family = AF_INET6;
	fib.l4_protocol = ip6->nexthdr;
	fib.tot_len = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
	fib.ifindex = ctx->ingress_ifindex;
	fib.flowinfo = *(__be32 *)ip6 & FLOWINFO_MASK;
	__builtin_memcpy(fib.ipv6_src, &ip6->saddr, sizeof(fib.ipv6_src));
	__builtin_memcpy(fib.ipv6_dst, &ip6->daddr, sizeof(fib.ipv6_dst));
	result = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	count_result(result);
	if (result != BPF_FIB_LKUP_RET_SUCCESS)
		return unrouted(result);

	ip6->hop_limit--;
	return forward(eth, &fib);
}

static __always_inline __u32 route(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > data_end)
		return XDP_DROP;
	switch (eth->h_proto) {
	case bpf_htons(ETH_P_IP):
		return route_ipv4(ctx, eth, data_end);
	case bpf_htons(ETH_P_IPV6):
		return route_ipv6(ctx, eth, data_end);
	default:
		return XDP_PASS;
	}
}

SEC("xdp")
int xdp_router_func(struct xdp_md *ctx)
{
	return count_action(ctx, route(ctx));
}

char _license[] SEC("license") = "Dual MIT/GPL";
