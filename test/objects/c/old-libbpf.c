/* Maps in libbpf's struct of numbers, as it took them until 1.0. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_map_def {
	unsigned int type, key_size, value_size, max_entries, map_flags;
};

struct bpf_map_def SEC("maps") rxcnt = {
	.type = BPF_MAP_TYPE_PERCPU_ARRAY,
	.key_size = sizeof(__u32),
	.value_size = sizeof(long),
	.max_entries = 256,
};
struct bpf_map_def SEC("maps") seen = {
	.type = BPF_MAP_TYPE_HASH,
	.key_size = 4,
	.value_size = 8,
	.max_entries = 2,
	.map_flags = BPF_F_NO_PREALLOC,
};

SEC("xdp1") int xdp_prog1(struct xdp_md *ctx)
{
	__u32 protocol = 17, one = 1;
	__u64 *value = bpf_map_lookup_elem(&rxcnt, &protocol), first = 1;

	if (value)
		*value += 1;
	bpf_map_update_elem(&seen, &one, &first, BPF_ANY);
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
