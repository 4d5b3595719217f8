/* What the newer instruction sets have: signed loads, long jumps, byte swaps, atomics, and arithmetic of 32 bits. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __s64);
	__uint(max_entries, 4);
} results SEC(".maps");

volatile signed char small = -3;
volatile short medium = -300;
volatile int divisor = -7;

SEC("xdp") int p(struct xdp_md *ctx)
{
	__u32 zero = 0, one = 1;
	__s64 *sum = bpf_map_lookup_elem(&results, &zero);
	__s64 *more = bpf_map_lookup_elem(&results, &one);
	int length = ctx->data_end - ctx->data;

	if (!sum || !more)
		return XDP_ABORTED;
	*sum += small + medium + (int)__builtin_bswap32(length);
#ifdef SIGNED_DIVISION
	*more = length / divisor + length % divisor;
#endif
#ifdef NEWEST	/* a long jump, and a loop that the kernel ends */
	asm volatile("gotol 1f; 2: %[value] = 0; 1: if %[value] == 12345 goto 2b" : [value] "+r"(length));
	for (int round = 0; round < 100; round++) {
		asm volatile goto("may_goto %l[out]" : : : : out);
		*more += round;
	}
out:
#endif
	__sync_fetch_and_add(more, 1);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
