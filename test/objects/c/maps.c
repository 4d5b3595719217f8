/* Every type of map that packet programs use, with every way to describe one. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct flow {
	__u32 source, destination;
	__u16 port;
} __attribute__((packed));

struct count {
	__u64 packets, bytes;
};

struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, struct flow); __type(value, struct count); __uint(max_entries, 16); __uint(map_flags, BPF_F_NO_PREALLOC); } hash SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __type(key, __u32); __type(value, struct count); __uint(max_entries, 16); } lru_hash SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_HASH); __type(key, __u32); __type(value, struct count); __uint(max_entries, 16); } percpu_hash SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH); __type(key, __u32); __type(value, __u64); __uint(max_entries, 16); } lru_percpu_hash SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, __u32); __type(value, struct count); __uint(max_entries, 4); __uint(map_flags, BPF_F_MMAPABLE); } array SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __type(key, __u32); __type(value, struct count); __uint(max_entries, 4); } percpu_array SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(key_size, 6); __uint(value_size, 4); __uint(max_entries, 4); } bytes SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(key_size, 8); __type(value, __u32); __uint(max_entries, 16); __uint(map_flags, BPF_F_NO_PREALLOC); } trie SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_QUEUE); __type(value, __u32); __uint(max_entries, 8); } queue SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_STACK); __type(value, __u32); __uint(max_entries, 8); } stack SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_DEVMAP); __type(key, __u32); __type(value, struct bpf_devmap_val); __uint(max_entries, 4); } devmap SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_DEVMAP_HASH); __type(key, __u32); __type(value, __u32); __uint(max_entries, 4); } devmap_hash SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_CPUMAP); __type(key, __u32); __type(value, struct bpf_cpumap_val); __uint(max_entries, 4); } cpumap SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_XSKMAP); __type(key, __u32); __type(value, __u32); __uint(max_entries, 4); } xskmap SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } perf SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 5000); } ring SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_BLOOM_FILTER); __type(value, __u32); __uint(max_entries, 100); __uint(map_extra, 3); } bloom SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, __u32); __type(value, __u32); __uint(max_entries, 4); __uint(map_flags, BPF_F_NUMA_NODE); __uint(numa_node, 0); } numa SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY); __uint(key_size, 4); __uint(value_size, 4); __uint(max_entries, 2); } cgroups SEC(".maps");

/* Maps in maps: the definition of those inside named, and not; filled, and not. */
struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, __u32); __type(value, __u32); __uint(max_entries, 2); } first SEC(".maps"), second SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __type(key, __u32); __uint(max_entries, 4); __array(values, struct inner); } outer SEC(".maps") = {
	.values = { [1] = &first, [3] = &second },
};
struct { __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS); __type(key, __u32); __uint(max_entries, 4);
	__array(values, struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, __u32); __type(value, struct count); __uint(max_entries, 7); }); } outer_hash SEC(".maps");

/* Programs in an array of programs, from the start. */
int last(struct xdp_md *ctx);
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(key_size, 4); __uint(max_entries, 3); __array(values, int(struct xdp_md *)); } jumps SEC(".maps") = {
	.values = { [2] = &last },
};

static __always_inline void add(void *map, const void *key, struct xdp_md *ctx)
{
	struct count *count = bpf_map_lookup_elem(map, key);
	struct count one = { 1, ctx->data_end - ctx->data };

	if (count) {
		count->packets++;
		count->bytes += ctx->data_end - ctx->data;
	} else
		bpf_map_update_elem(map, key, &one, BPF_ANY);
}

SEC("xdp") int fill(struct xdp_md *ctx)
{
	struct flow flow = { 1, 2, 3 };
	__u32 zero = 0, one = 1, seven = 7, value = 42;
	__u64 wide = 99;
	__u8 mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct { __u32 bits; __u8 address[4]; } prefix = { 24, { 10, 0, 0, 0 } };
	void *inside;

	add(&hash, &flow, ctx);
	add(&lru_hash, &seven, ctx);
	add(&percpu_hash, &seven, ctx);
	add(&array, &one, ctx);
	add(&percpu_array, &one, ctx);
	bpf_map_update_elem(&lru_percpu_hash, &one, &wide, BPF_ANY);
	bpf_map_update_elem(&bytes, mac, &value, BPF_ANY);
	bpf_map_update_elem(&trie, &prefix, &value, BPF_ANY);
	bpf_map_update_elem(&numa, &one, &value, BPF_ANY);
	bpf_map_push_elem(&queue, &value, BPF_ANY);
	bpf_map_push_elem(&stack, &value, BPF_ANY);
	bpf_map_push_elem(&bloom, &value, BPF_ANY);
	bpf_ringbuf_output(&ring, &value, sizeof(value), 0);
	bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, &value, sizeof(value));
	inside = bpf_map_lookup_elem(&outer, &one);
	if (inside)
		bpf_map_update_elem(inside, &zero, &seven, BPF_ANY);
	inside = bpf_map_lookup_elem(&outer_hash, &one);
	if (inside)
		bpf_map_update_elem(inside, &zero, &seven, BPF_ANY);
	bpf_tail_call(ctx, &jumps, 2);
	return XDP_ABORTED;
}

SEC("xdp") int send(struct xdp_md *ctx)
{
	if (ctx->rx_queue_index == 1)
		return bpf_redirect_map(&devmap, 0, 0);
	if (ctx->rx_queue_index == 2)
		return bpf_redirect_map(&devmap_hash, 0, 0);
	if (ctx->rx_queue_index == 3)
		return bpf_redirect_map(&cpumap, 0, 0);
	return bpf_redirect_map(&xskmap, 0, XDP_PASS);
}

SEC("xdp") int last(struct xdp_md *ctx)
{
	__u32 two = 2;

	add(&array, &two, ctx);
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
