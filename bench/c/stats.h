/* SPDX-License-Identifier: MIT */
/* Counts packets and bytes by XDP action, one record a CPU: the counterpart of src/programs/stats.bpf.ts. */
#ifndef STATS_H
#define STATS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct datarec {
	__u64 rx_packets;
	__u64 rx_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct datarec);
	__uint(max_entries, XDP_REDIRECT + 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} xdp_stats_map SEC(".maps");

static __always_inline __u32 count_action(struct xdp_md *ctx, __u32 action)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct datarec *rec = bpf_map_lookup_elem(&xdp_stats_map, &action);

	if (!rec)
		return XDP_ABORTED;

	rec->rx_packets++;
	rec->rx_bytes += data_end - data;
	return action;
}

#endif
