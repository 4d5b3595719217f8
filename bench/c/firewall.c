/* SPDX-License-Identifier: MIT */
/* Filters packets by networks, protocols and ports: the counterpart of src/programs/firewall.bpf.ts. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "cursor.h"
#include "ip.h"

struct network4 {
	__u32 prefixlen;
	__be32 addr;
};

struct network6 {
	__u32 prefixlen;
	struct in6_addr addr;
};

struct rule {
	__u32 action;
	__u32 number;
};

struct port_key {
	__be16 port;
	__u8 protocol;
	__u8 unused;
};

struct rule_record {
	__u64 packets;
	__u64 bytes;
};

/* The first of both TCP and UDP. */
struct ports {
	__be16 source;
	__be16 dest;
};

enum { RULE_UNKNOWN, RULE_MALFORMED, RULE_NOT_IP, RULE_FRAGMENT };

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct network4);
	__type(value, __u32);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} deny_ipv4 SEC(".maps"), allow_ipv4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct network6);
	__type(value, __u32);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} deny_ipv6 SEC(".maps"), allow_ipv6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct rule);
	__uint(max_entries, 256);
} protocols SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct port_key);
	__type(value, struct rule);
	__uint(max_entries, 65536);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct rule_record);
	__uint(max_entries, 4096);
} rule_counters SEC(".maps");

/* Set by the loader. */
const volatile _Bool drop_unknown = 0;

/* The rule that decided is left in `rule`. */
static __always_inline __u32 judge_source4(struct cursor *cur, __u32 *rule)
{
	struct iphdr *ip = cur->pos;
	struct network4 source = { .prefixlen = 32 };
	__u32 *found;

	*rule = RULE_MALFORMED;
	if ((void *)(ip + 1) > cur->end)
		return XDP_DROP;

	source.addr = ip->saddr;
	found = bpf_map_lookup_elem(&deny_ipv4, &source);
	if (found) {
		*rule = *found;
		return XDP_DROP;
	}
	found = bpf_map_lookup_elem(&allow_ipv4, &source);
	if (found) {
		*rule = *found;
		return XDP_PASS;
	}
	return XDP_ABORTED; /* nothing */
}

static __always_inline __u32 judge_source6(struct cursor *cur, __u32 *rule)
{
	struct ipv6hdr *ip6 = cur->pos;
	struct network6 source = { .prefixlen = 128 };
	__u32 *found;

	*rule = RULE_MALFORMED;
	if ((void *)(ip6 + 1) > cur->end)
		return XDP_DROP;

	source.addr = ip6->saddr;
	found = bpf_map_lookup_elem(&deny_ipv6, &source);
	if (found) {
		*rule = *found;
		return XDP_DROP;
	}
	found = bpf_map_lookup_elem(&allow_ipv6, &source);
	if (found) {
		*rule = *found;
		return XDP_PASS;
	}
	return XDP_ABORTED; /* nothing */
}

static __always_inline __u32 unknown(__u32 *rule)
{
	*rule = RULE_UNKNOWN;
	return drop_unknown ? XDP_DROP : XDP_PASS;
}

static __always_inline __u32 judge_payload(struct cursor *cur, const struct ip_payload *payload, __u32 *rule)
{
	struct port_key key = { .protocol = payload->protocol };
	__u32 protocol = payload->protocol;
	struct ports *header;
	struct rule *found;

	found = bpf_map_lookup_elem(&protocols, &protocol);
	if (found && (found->action == XDP_DROP || found->action == XDP_PASS)) {
		*rule = found->number;
		return found->action;
	}

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return unknown(rule);
	if (payload->fragment) {
		*rule = RULE_FRAGMENT;
		/* Eight bytes into a TCP header: the flags, which the first fragment showed to us. */
		return payload->fragment == 1 && protocol == IPPROTO_TCP ? XDP_DROP : XDP_PASS;
	}

	header = cur->pos;
	if (!advance(cur, sizeof(*header))) {
		*rule = RULE_MALFORMED;
		return XDP_DROP;
	}
	key.port = header->dest;
	found = bpf_map_lookup_elem(&ports, &key);
	if (found && (found->action == XDP_DROP || found->action == XDP_PASS)) {
		*rule = found->number;
		return found->action;
	}
	return unknown(rule);
}

static __always_inline __u32 judge(struct xdp_md *ctx, __u32 *rule)
{
	struct cursor cur = {
		.pos = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	struct ethhdr *eth = cur.pos;
	struct ip_payload payload;
	__u32 action;

	*rule = RULE_MALFORMED;
	if (!advance(&cur, sizeof(*eth)))
		return XDP_DROP;

	switch (skip_vlan_tags(&cur, eth->h_proto)) {
	case bpf_htons(ETH_P_IP):
		action = judge_source4(&cur, rule);
		if (action != XDP_ABORTED)
			return action;
		if (!ipv4_payload(&cur, &payload))
			return XDP_DROP;
		break;
	case bpf_htons(ETH_P_IPV6):
		action = judge_source6(&cur, rule);
		if (action != XDP_ABORTED)
			return action;
		if (!ipv6_payload(&cur, &payload))
			return XDP_DROP;
		break;
	default:
		*rule = RULE_NOT_IP;
		return XDP_PASS;
	}
	return judge_payload(&cur, &payload, rule);
}

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	struct rule_record *record;
	__u32 action, rule;

	action = judge(ctx, &rule);
	record = bpf_map_lookup_elem(&rule_counters, &rule);
	if (!record)
		return XDP_ABORTED;
	record->packets++;
	record->bytes += data_end - data;
	return action;
}

char _license[] SEC("license") = "Dual MIT/GPL";
