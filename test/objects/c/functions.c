/* Subprograms: static and global ones, hidden ones, shared by programs, deep, callbacks. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 8);
} counts SEC(".maps");

static __attribute__((noinline)) int count(__u32 index)
{
	__u64 *value = bpf_map_lookup_elem(&counts, &index);

	if (value)
		*value += 1;
	return index;
}

__attribute__((noinline)) int global(int value)
{
	return count(1) + value;
}

__hidden __attribute__((noinline)) int hidden(struct xdp_md *ctx, int value)
{
	return global(value) + ctx->rx_queue_index;
}

static long each(__u32 index, void *context)
{
	*(__u32 *)context += index;
	return 0;
}

struct bpf_map;

static long every(struct bpf_map *map, __u32 *key, __u64 *value, void *context)
{
	*(__u64 *)context += *value;
	return 0;
}

SEC("xdp") int first(struct xdp_md *ctx)
{
	count(2);
	return hidden(ctx, 0) == 1 ? XDP_PASS : XDP_DROP;
}

SEC("xdp") int second(struct xdp_md *ctx)
{
	__u32 sum = 0;
	__u64 all = 0;
	__u32 index = 5;

	bpf_loop(4, each, &sum, 0);
	bpf_for_each_map_elem(&counts, every, &all, 0);
	all += sum;
	bpf_map_update_elem(&counts, &index, &all, BPF_ANY);
	return count(3) == 3 ? XDP_TX : XDP_ABORTED;
}

SEC("tc") int third(struct __sk_buff *skb)
{
	count(4);
	return global(0) == 1 ? TC_ACT_OK : TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
