/* SPDX-License-Identifier: MIT */
/* Drops TCP from and to one port: the counterpart of src/programs/portfilter.bpf.ts. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Not in the kernel's headers for user space. */
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

/* Set by the loader. In network byte order, as it is in the packet. */
const volatile __be16 port = bpf_htons(80);

SEC("xdp")
int portfilter(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)(tcp + 1) > data_end)
		return XDP_PASS;
	if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	if (ip->ihl != 5 || ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return XDP_PASS;
	if (tcp->source == port || tcp->dest == port)
		return XDP_DROP;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
