/* SPDX-License-Identifier: MIT */
/* Sends what comes for a service to one of its backends: the counterpart of bench/small-balancer.bpf.ts. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "checksum.h"

#define MAX_SERVICES 64
#define RING_SIZE 16381

/* Not in the kernel's headers for user space. */
#define IP_DF 0x4000
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

enum { MODE_DIRECT, MODE_TUNNEL, MODE_NAT };

struct service_key {
	__be32 addr;
	__be16 port;
	__u8 protocol;
	__u8 unused;
};

struct service {
	__u32 number;
	__u32 mode;
};

struct backend {
	__be32 addr;
	__be16 port;
	__u8 mac[ETH_ALEN];
};

struct flow {
	__be32 client;
	__be32 server;
	__be16 client_port;
	__be16 server_port;
	__u8 protocol;
	__u8 unused[3];
};

struct origin {
	__be32 addr;
	__be16 port;
	__u16 unused;
};

struct service_record {
	__u64 packets;
	__u64 bytes;
};

/* The first of both TCP and UDP. */
struct ports {
	__be16 source;
	__be16 dest;
};

struct headers {
	struct ethhdr *eth;
	struct iphdr *ip;
	struct ports *ports;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct service_key);
	__type(value, struct service);
	__uint(max_entries, MAX_SERVICES);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct backend);
	__uint(max_entries, 4096);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, MAX_SERVICES * RING_SIZE);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct flow);
	__type(value, __u32);
	__uint(max_entries, 65536);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct flow);
	__type(value, struct origin);
	__uint(max_entries, 65536);
} replies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct service_record);
	__uint(max_entries, MAX_SERVICES);
} service_stats SEC(".maps");

/* Set by the loader. */
const volatile __u8 gateway[ETH_ALEN] = {};
const volatile __be32 tunnel_source = 0;

static __always_inline __u32 hash_of(const struct flow *flow)
{
	__u32 ports = bpf_ntohs(flow->client_port) << 16 | bpf_ntohs(flow->server_port);
	__u32 hash = bpf_ntohl(flow->client) ^ ports * 0x9e3779b1;

	hash = (hash ^ hash >> 16) * 0x85ebca6b;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35;
	return hash ^ hash >> 16;
}

static __always_inline __u32 backend_of(struct flow *flow, __u32 service)
{
	__u32 *known = bpf_map_lookup_elem(&connections, flow);
	__u32 *slot;
	__u32 index, chosen;

	if (known)
		return *known;
	index = service * RING_SIZE + hash_of(flow) % RING_SIZE;
	slot = bpf_map_lookup_elem(&ring, &index);
	if (!slot)
		return 0;
	chosen = *slot;
	bpf_map_update_elem(&connections, flow, &chosen, BPF_ANY);
	return chosen;
}

/* From this host to dest. */
static __always_inline void send(struct ethhdr *eth, const __u8 *dest)
{
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, dest, ETH_ALEN);
}

static __always_inline __u32 encapsulate(struct xdp_md *ctx, struct headers *headers, const struct backend *backend)
{
	__be16 tot_len = headers->ip->tot_len;
	__u8 tos = headers->ip->tos;
	__u8 own[ETH_ALEN];
	void *data_end;
	struct ethhdr *eth;
	struct iphdr *outer;
	__u16 *words;
	__u32 sum = 0;

	__builtin_memcpy(own, headers->eth->h_dest, ETH_ALEN);
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*outer)))
		return XDP_DROP;

	data_end = (void *)(long)ctx->data_end;
	eth = (void *)(long)ctx->data;
	outer = (void *)(eth + 1);
	if ((void *)(outer + 1) > data_end)
		return XDP_DROP;

	__builtin_memcpy(eth->h_dest, backend->mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, own, ETH_ALEN);
	eth->h_proto = bpf_htons(ETH_P_IP);

	outer->version = 4;
	outer->ihl = 5;
	outer->tos = tos;
	outer->tot_len = bpf_htons(bpf_ntohs(tot_len) + sizeof(*outer));
	outer->id = 0;
	outer->frag_off = bpf_htons(IP_DF);
	outer->ttl = 64;
	outer->protocol = IPPROTO_IPIP;
	outer->check = 0;
	outer->saddr = tunnel_source;
	outer->daddr = backend->addr;

	words = (__u16 *)outer;
#pragma unroll
	for (unsigned int i = 0; i < sizeof(*outer) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	outer->check = ~sum;
	return XDP_TX;
}

/* The checksum of TCP or UDP after an address and a port that it covers changed. 0 when the packet ends within the header. */
static __always_inline int update_checksum(struct xdp_md *ctx, struct headers *headers, __be32 from, __be32 to,
					   __be16 from_port, __be16 to_port)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *transport = headers->ports;
	struct tcphdr *tcp = transport;
	struct udphdr *udp = transport;

	if (headers->ip->protocol == IPPROTO_TCP) {
		if ((void *)(tcp + 1) > data_end)
			return 0;
		tcp->check = csum_replace(csum_replace4(tcp->check, from, to), from_port, to_port);
		return 1;
	}
	if ((void *)(udp + 1) > data_end)
		return 0;
	/* 0 is "no checksum", so a sum that is 0 is written in its other form. */
	if (udp->check) {
		__sum16 check = csum_replace(csum_replace4(udp->check, from, to), from_port, to_port);

		udp->check = check ? check : 0xffff;
	}
	return 1;
}

static __always_inline __u32 forward(struct xdp_md *ctx, struct headers *headers, const struct service *service)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	__u32 service_number = service->number;
	struct service_record *record;
	const struct backend *backend;
	struct iphdr *ip = headers->ip;
	struct flow flow = {
		.client = ip->saddr,
		.server = ip->daddr,
		.client_port = headers->ports->source,
		.server_port = headers->ports->dest,
		.protocol = ip->protocol,
	};
	__u32 number;

	record = bpf_map_lookup_elem(&service_stats, &service_number);
	if (!record)
		return XDP_DROP;
	record->packets++;
	record->bytes += data_end - data;

	number = backend_of(&flow, service_number);
	backend = bpf_map_lookup_elem(&backends, &number);
	if (!backend || !backend->addr)
		return XDP_DROP;
	if (service->mode == MODE_TUNNEL)
		return encapsulate(ctx, headers, backend);
	if (service->mode == MODE_NAT) {
		struct origin origin = { .addr = ip->daddr, .port = headers->ports->dest };

		flow.server = backend->addr;
		flow.server_port = backend->port;
		bpf_map_update_elem(&replies, &flow, &origin, BPF_ANY);
		if (!update_checksum(ctx, headers, ip->daddr, backend->addr, headers->ports->dest, backend->port))
			return XDP_DROP;
		ip->check = csum_replace4(ip->check, ip->daddr, backend->addr);
		ip->daddr = backend->addr;
		headers->ports->dest = backend->port;
	}
	send(headers->eth, backend->mac);
	return XDP_TX;
}

/* From a backend to a client. */
static __always_inline __u32 answer(struct xdp_md *ctx, struct headers *headers)
{
	struct iphdr *ip = headers->ip;
	const struct origin *origin;
	__u8 router[ETH_ALEN];
	struct flow flow = {
		.client = ip->daddr,
		.server = ip->saddr,
		.client_port = headers->ports->dest,
		.server_port = headers->ports->source,
		.protocol = ip->protocol,
	};

	origin = bpf_map_lookup_elem(&replies, &flow);
	if (!origin)
		return XDP_PASS;
	if (!update_checksum(ctx, headers, ip->saddr, origin->addr, headers->ports->source, origin->port))
		return XDP_DROP;
	ip->check = csum_replace4(ip->check, ip->saddr, origin->addr);
	ip->saddr = origin->addr;
	headers->ports->source = origin->port;
#pragma unroll
	for (int i = 0; i < ETH_ALEN; i++)
		router[i] = gateway[i];
	send(headers->eth, router);
	return XDP_TX;
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ports *ports = (void *)(ip + 1);
	struct headers headers = { eth, ip, ports };
	struct service_key key = {};
	struct service *service;

	if ((void *)(ports + 1) > data_end)
		return XDP_PASS;
	if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->version != 4 || ip->ihl != 5)
		return XDP_PASS;
	if (ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return XDP_PASS;
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return XDP_PASS;

	key.addr = ip->daddr;
	key.port = ports->dest;
	key.protocol = ip->protocol;
	service = bpf_map_lookup_elem(&services, &key);
	return service ? forward(ctx, &headers, service) : answer(ctx, &headers);
}

char _license[] SEC("license") = "Dual MIT/GPL";
