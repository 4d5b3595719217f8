/* One of two files that bpftool links: both have static functions and variables of the same names. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static int calls = START;

static __attribute__((noinline)) int count(int value)
{
	calls += value;
	return calls;
}

SEC("xdp") int PROGRAM(struct xdp_md *ctx)
{
	return count(START);
}

char _license[] SEC("license") = "GPL";
