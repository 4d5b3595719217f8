/* SPDX-License-Identifier: MIT */
/* Counts what comes in and goes out over IPv4 by who talks with whom: the counterpart of src/programs/flow-counters.bpf.ts. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct pair {
	__be32 lip;
	__be32 rip;
};

struct counters {
	__u64 tx_cnt;
	__u64 rx_cnt;
	__u64 tx_bytes;
	__u64 rx_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct pair);
	__type(value, struct counters);
	__uint(max_entries, 2048);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} trackers SEC(".maps");

/* The pair's counters, made when it is new; NULL when there is no room. */
static __always_inline struct counters *counters_of(struct pair *pair)
{
	struct counters *known = bpf_map_lookup_elem(&trackers, pair);
	struct counters none = {};

	if (known)
		return known;
	/* Another CPU may be first. Then this fails, and its counters are there. */
	bpf_map_update_elem(&trackers, pair, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&trackers, pair);
}

SEC("xdp")
int rx(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct counters *counters;
	struct pair pair;

	if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;

	pair.lip = ip->daddr;
	pair.rip = ip->saddr;
	counters = counters_of(&pair);
	if (counters) {
		__sync_fetch_and_add(&counters->rx_cnt, 1);
		__sync_fetch_and_add(&counters->rx_bytes, data_end - data);
	}
	return XDP_PASS;
}

SEC("tc")
int tx(struct __sk_buff *skb)
{
	void *data_end = (void *)(long)skb->data_end;
	void *data = (void *)(long)skb->data;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct counters *counters;
	struct pair pair;

	if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;

	pair.lip = ip->saddr;
	pair.rip = ip->daddr;
	counters = counters_of(&pair);
	if (counters) {
		__sync_fetch_and_add(&counters->tx_cnt, 1);
		__sync_fetch_and_add(&counters->tx_bytes, skb->len);
	}
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
