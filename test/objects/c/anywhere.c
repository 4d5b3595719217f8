/* Functions where libbpf takes none: static ones beside programs, programs that others call. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u32 calls;

static __attribute__((noinline, section("first"))) int beside(int value)
{
	calls += value;
	return value;
}

__attribute__((noinline, section("second"))) int shared(struct xdp_md *ctx)
{
	calls += 100 + ctx->rx_queue_index;
	return XDP_PASS;
}

SEC("first") int one(struct xdp_md *ctx)
{
	return beside(1) + shared(ctx);
}

SEC("first") int two(struct xdp_md *ctx)
{
	return beside(2);
}

char _license[] SEC("license") = "GPL";
