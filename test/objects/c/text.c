/* A program without SEC(): `ip link set dev D xdp obj F sec .text`. */
#include <linux/bpf.h>

static __attribute__((noinline)) int verdict(void)
{
	volatile int action = XDP_DROP;

	return action;
}

int dropworld(struct xdp_md *ctx)
{
	return verdict();
}
