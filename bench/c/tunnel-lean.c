/* SPDX-License-Identifier: MIT */
/*
 * As tunnel-balancer.c, but as lean as it gets: IPv4 only, so that keys are short, one table of connections, and no counters but those of
 * src/programs/balancer.bpf.ts.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "checksum.h"

#define MAX_VIPS 512
#define MAX_REALS 4096
#define RING_SIZE 65537
#define LRU_SIZE 1048576
#define ONE_SEC 1000000000ULL

#define TUNNEL_TTL 64

/* Not in the kernel's headers for user space. */
#define IP_DF 0x4000
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

struct vip_key {
	__be32 addr;
	__be16 port;
	__u8 proto;
	__u8 pad;
};

struct vip_meta {
	__u32 flags;
	__u32 num;
};

#define VIP_HASH_NO_SRC_PORT 1

struct flow_key {
	__be32 src;
	__be32 dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};

/* atime is kept for UDP, which has no end of a connection. */
struct lru_entry {
	__u32 pos;
	__u32 pad;
	__u64 atime;
};

struct real {
	__be32 addr;
	__u8 mac[ETH_ALEN];
	__u8 pad[2];
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct rate {
	__u64 start;
	__u64 count;
};

/* What both TCP and UDP start with. */
struct ports {
	__be16 source;
	__be16 dest;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct vip_key);
	__type(value, struct vip_meta);
	__uint(max_entries, MAX_VIPS);
} vip_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct flow_key);
	__type(value, struct lru_entry);
	__uint(max_entries, LRU_SIZE);
	__uint(map_flags, BPF_F_NO_COMMON_LRU);
} lru SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, MAX_VIPS * RING_SIZE);
} ch_rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct real);
	__uint(max_entries, MAX_REALS);
} reals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct counter);
	__uint(max_entries, MAX_VIPS);
} vip_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct counter);
	__uint(max_entries, MAX_REALS);
} real_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct rate);
	__uint(max_entries, 1);
} conn_rate SEC(".maps");

/* Set by the loader. */
const volatile __be32 tunnel_source = 0;
const volatile __u64 max_conn_rate = 125000;
const volatile __u64 udp_timeout = 30 * ONE_SEC;
const volatile __u32 max_packet = 1500;

static __always_inline void count(void *map, __u32 key, __u64 bytes)
{
	struct counter *counter = bpf_map_lookup_elem(map, &key);

	if (!counter)
		return;
	counter->packets++;
	counter->bytes += bytes;
}

static __always_inline __u32 mix(__u32 hash)
{
	hash = (hash ^ hash >> 16) * 0x85ebca6b;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35;
	return hash ^ hash >> 16;
}

static __always_inline __u32 hash_of(const struct flow_key *flow, __u32 flags)
{
	__u32 hash = 0;

	if (!(flags & VIP_HASH_NO_SRC_PORT))
		hash = ((__u32)bpf_ntohs(flow->sport) << 16 | bpf_ntohs(flow->dport)) * 0x9e3779b1;
	return mix(hash ^ bpf_ntohl(flow->src));
}

/* A flood of new connections must not push the known ones out. */
static __always_inline bool is_under_flood(__u64 now)
{
	__u32 zero = 0;
	struct rate *rate = bpf_map_lookup_elem(&conn_rate, &zero);

	if (!rate)
		return true;
	if (now - rate->start > ONE_SEC) {
		rate->start = now;
		rate->count = 1;
		return false;
	}
	return ++rate->count > max_conn_rate;
}

static __always_inline struct real *real_of_connection(const struct flow_key *flow, bool syn, __u32 *pos)
{
	struct lru_entry *known;

	/* A SYN begins a connection, whatever the table knows. */
	if (syn)
		return NULL;
	known = bpf_map_lookup_elem(&lru, flow);
	if (!known)
		return NULL;
	if (flow->proto == IPPROTO_UDP) {
		__u64 now = bpf_ktime_get_ns();

		if (now - known->atime > udp_timeout)
			return NULL;
		known->atime = now;
	}
	*pos = known->pos;
	return bpf_map_lookup_elem(&reals, pos);
}

static __always_inline struct real *real_from_ring(const struct flow_key *flow, const struct vip_meta *vip, __u32 *pos)
{
	struct lru_entry entry = {};
	__u32 slot = vip->num * RING_SIZE + hash_of(flow, vip->flags) % RING_SIZE;
	__u32 *chosen = bpf_map_lookup_elem(&ch_rings, &slot);
	__u64 now = bpf_ktime_get_ns();
	struct real *real;

	if (!chosen || !*chosen)
		return NULL;
	*pos = *chosen;
	real = bpf_map_lookup_elem(&reals, pos);
	if (!real || is_under_flood(now))
		return real;
	entry.pos = *pos;
	if (flow->proto == IPPROTO_UDP)
		entry.atime = now;
	bpf_map_update_elem(&lru, flow, &entry, BPF_ANY);
	return real;
}

static __always_inline int encapsulate(struct xdp_md *ctx, struct iphdr *ip, const struct real *real)
{
	__be16 tot_len = bpf_htons(bpf_ntohs(ip->tot_len) + sizeof(struct iphdr));
	__u8 tos = ip->tos;
	struct ethhdr *old_eth, *eth;
	struct iphdr *outer;
	void *data_end;
	__u16 *words;
	__u32 sum = 0;

	/* One hop; the word of the TTL went down by 0x0100. */
	ip->check = csum_replace(ip->check, bpf_htons(0x0100), 0);
	ip->ttl--;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*outer)))
		return XDP_DROP;
	data_end = (void *)(long)ctx->data_end;
	eth = (void *)(long)ctx->data;
	old_eth = (void *)eth + sizeof(*outer);
	outer = (void *)(eth + 1);
	if ((void *)(outer + 1) > data_end || (void *)(old_eth + 1) > data_end)
		return XDP_DROP;

	__builtin_memcpy(eth->h_source, old_eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, real->mac, ETH_ALEN);
	eth->h_proto = bpf_htons(ETH_P_IP);

	outer->version = 4;
	outer->ihl = 5;
	outer->tos = tos;
	outer->tot_len = tot_len;
	outer->id = 0;
	outer->frag_off = bpf_htons(IP_DF);
	outer->ttl = TUNNEL_TTL;
	outer->protocol = IPPROTO_IPIP;
	outer->check = 0;
	outer->saddr = tunnel_source;
	outer->daddr = real->addr;

	words = (__u16 *)outer;
#pragma unroll
	for (unsigned int i = 0; i < sizeof(*outer) / 2; i++)
		sum += words[i];
	outer->check = csum_fold(sum);
	return XDP_TX;
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ports *ports = (void *)(ip + 1);
	struct flow_key flow = {};
	struct vip_key key = {};
	struct vip_meta *vip;
	struct real *real;
	__u32 pos = 0;
	bool syn = false;
	__u64 bytes;

	if ((void *)(eth + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if ((void *)(ip + 1) > data_end)
		return XDP_DROP;
	if (ip->version != 4 || ip->ihl != 5 || ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return XDP_DROP;
	bytes = bpf_ntohs(ip->tot_len);
	if (ip->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = (void *)ports;

		if ((void *)(tcp + 1) > data_end)
			return XDP_DROP;
		syn = tcp->syn;
	} else if (ip->protocol == IPPROTO_UDP) {
		struct udphdr *udp = (void *)ports;

		if ((void *)(udp + 1) > data_end)
			return XDP_DROP;
	} else {
		return XDP_PASS;
	}
	flow.src = ip->saddr;
	flow.dst = ip->daddr;
	flow.sport = ports->source;
	flow.dport = ports->dest;
	flow.proto = ip->protocol;

	key.addr = flow.dst;
	key.port = flow.dport;
	key.proto = flow.proto;
	vip = bpf_map_lookup_elem(&vip_map, &key);
	if (!vip) {
		key.port = 0;
		vip = bpf_map_lookup_elem(&vip_map, &key);
		if (!vip)
			return XDP_PASS;
	}
	if (bytes + sizeof(*ip) > max_packet)
		return XDP_DROP;

	real = real_of_connection(&flow, syn, &pos);
	if (!real) {
		real = real_from_ring(&flow, vip, &pos);
		if (!real)
			return XDP_DROP;
	}
	bytes = data_end - (void *)eth;
	count(&vip_stats, vip->num, bytes);
	count(&real_stats, pos, bytes);
	if (ip->ttl <= 1)
		return XDP_DROP;
	return encapsulate(ctx, ip, real);
}

char _license[] SEC("license") = "Dual MIT/GPL";
