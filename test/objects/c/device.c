/* What only a device's driver knows: the hash that it computed for the packet (kfunc of Linux 6.3). */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum xdp_rss_hash_type { XDP_RSS_TYPE_NONE };

extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash, enum xdp_rss_hash_type *type) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} answers SEC(".maps");

SEC("xdp")
int hashed(struct xdp_md *ctx)
{
	enum xdp_rss_hash_type type = 0;
	__u32 hash = 0, key = 0;
	__u64 *answer = bpf_map_lookup_elem(&answers, &key);

	if (answer)
		*answer = 1000 + bpf_xdp_metadata_rx_hash(ctx, &hash, &type);
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
