/* As for tc and ip before they knew BTF: maps in structs of numbers, pinned in their own places, maps in maps and tail calls by number. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct bpf_elf_map {
	__u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

enum { PIN_NONE, PIN_OBJECT_NS, PIN_GLOBAL_NS };

#define MAP(name) struct bpf_elf_map SEC("maps") name

struct pair { __u32 local, remote; };
struct count { __u64 sent, received; };

MAP(trackers) = { .type = BPF_MAP_TYPE_HASH, .size_key = 8, .size_value = 16, .max_elem = 64, .pinning = PIN_GLOBAL_NS };
MAP(own) = { .type = BPF_MAP_TYPE_ARRAY, .size_key = 4, .size_value = 8, .max_elem = 2, .pinning = PIN_OBJECT_NS };
MAP(private) = { .type = BPF_MAP_TYPE_ARRAY, .size_key = 4, .size_value = 8, .max_elem = 2, .flags = BPF_F_MMAPABLE };
MAP(jumps) = { .type = BPF_MAP_TYPE_PROG_ARRAY, .id = 1, .size_key = 4, .size_value = 4, .max_elem = 4 };
MAP(inner) = { .type = BPF_MAP_TYPE_ARRAY, .size_key = 4, .size_value = 4, .max_elem = 1, .id = 2, .inner_idx = 3 };
MAP(outer) = { .type = BPF_MAP_TYPE_ARRAY_OF_MAPS, .size_key = 4, .size_value = 4, .max_elem = 5, .inner_id = 2 };

/* What iproute2's BPF_ANNOTATE_KV_PAIR makes. */
struct ____btf_map_trackers { struct pair key; struct count value; };
struct ____btf_map_trackers __attribute__((section(".maps.trackers"), used)) ____btf_map_trackers = {};

SEC("rx") int receive(struct xdp_md *ctx)
{
	struct pair key = { 1, 2 };
	struct count *count = bpf_map_lookup_elem(&trackers, &key), first = { 0, 1 };

	if (count)
		count->received++;
	else
		bpf_map_update_elem(&trackers, &key, &first, BPF_ANY);
	return XDP_PASS;
}

SEC("tx") int transmit(struct __sk_buff *skb)
{
	struct pair key = { 1, 2 };
	struct count *count = bpf_map_lookup_elem(&trackers, &key);
	__u32 zero = 0, three = 3, value = 9;
	void *map = bpf_map_lookup_elem(&outer, &three);

	if (map)
		bpf_map_update_elem(map, &zero, &value, BPF_ANY);
	if (count)
		count->sent++;
	bpf_tail_call(skb, &jumps, 2);
	return TC_ACT_OK;
}

SEC("1/2") int tail(struct __sk_buff *skb)
{
	__u32 one = 1;
	__u64 value = 7;

	bpf_map_update_elem(&own, &one, &value, BPF_ANY);
	bpf_map_update_elem(&private, &one, &value, BPF_ANY);
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
