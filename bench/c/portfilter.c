/* SPDX-License-Identifier: MIT */
/* Drops TCP, or another protocol with ports, from and to one port: the counterpart of src/programs/portfilter.bpf.ts. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Not in the kernel's headers for user space. */
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

/* Set by the loader. In network byte order, as it is in the packet. */
const volatile __be16 port = bpf_htons(80);
const volatile __u8 protocol = IPPROTO_TCP;

/* What TCP and UDP begin with. */
struct ports {
	__be16 source;
	__be16 dest;
};

SEC("xdp")
int portfilter(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ports *ports = (void *)(ip + 1);

	if ((void *)(ports + 1) > data_end)
		return XDP_PASS;
	if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != protocol)
		return XDP_PASS;
	if (ip->ihl != 5 || ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return XDP_PASS;
	if (ports->source == port || ports->dest == port)
		return XDP_DROP;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
