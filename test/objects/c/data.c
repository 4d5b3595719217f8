/* Global data: settings, variables of all sections and shapes, static ones, literals, sections of its own. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct pair {
	__u16 left;
	__u32 right;
};

const volatile __u16 port = 7999;
const volatile struct pair limits = { 3, 4 };
const volatile char name[8] = "wire";
const volatile _Bool on;

__u32 level = 5;
__u64 seen;
struct pair pairs[3];
static __u32 hidden = 7;
__u32 own SEC(".data.own") = 11;
const volatile __u32 table[4] SEC(".rodata.table") = { 1, 10, 100, 1000 };
#ifdef OWN_BSS	/* libbpf has none */
__u32 empty SEC(".bss.own");
#else
__u32 empty;
#endif

static const char *const words = "packets";

static __attribute__((noinline)) __u32 next(void)
{
	static __u32 calls;

	return ++calls;
}

static __attribute__((noinline)) __u32 other(void)
{
	static __u32 calls = 100;

	return ++calls;
}

SEC("xdp") int p(struct xdp_md *ctx)
{
	__u32 index = ctx->rx_queue_index & 3;

	seen += ctx->data_end - ctx->data;
	level += port;
	hidden += limits.right + (on ? 1000 : 0);
	pairs[1].left++;
	pairs[2].right = hidden;
	own += table[index];
	empty = next() + other();
	bpf_printk("%s %d", words, level);
	return name[0] == 'w' ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
