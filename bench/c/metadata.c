/* SPDX-License-Identifier: MIT */
/*
 * Hands a number from XDP to TC: the counterpart of src/programs/metadata.bpf.ts. The answers of helpers are numbers below zero when they fail, and
 * asked for as the kernel's sample (samples/bpf/xdp2skb_meta_kern.c) asks for them.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct meta {
	__u32 mark;
};

SEC("xdp")
int xdp_mark(struct xdp_md *ctx)
{
	struct meta *meta;
	void *data;
	int ret;

	ret = bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta));
	if (ret < 0)
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) > data)
		return XDP_ABORTED;
	meta->mark = 42;
	return XDP_PASS;
}

SEC("tc")
int tc_mark(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	struct meta *meta = (void *)(long)skb->data_meta;

	if ((void *)(meta + 1) > data)
		skb->mark = 41;
	else
		skb->mark = meta->mark;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
