/* What the running kernel says: how it was built, its variables, its functions. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF_SYSCALL __kconfig;
extern char CONFIG_NET __kconfig;
extern unsigned long long CONFIG_HZ __kconfig;
extern enum libbpf_tristate CONFIG_INET __kconfig;
extern char CONFIG_DEFAULT_HOSTNAME[8] __kconfig;
extern bool CONFIG_NO_SUCH_SETTING __kconfig __weak;

struct softnet_data {
	unsigned int processed;
} __attribute__((preserve_access_index));
extern const struct softnet_data softnet_data __ksym;	/* typed, one for each CPU */
extern const struct softnet_data no_such_variable __ksym __weak;
extern const void xdp_do_redirect __ksym;	/* an address */
extern const void no_such_symbol __ksym __weak;
extern void *bpf_cast_to_kern_ctx(void *obj) __ksym;
extern int bpf_no_such_function(int value) __ksym __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 32);
} answers SEC(".maps");

static __always_inline void answer(__u32 index, __u64 value)
{
	bpf_map_update_elem(&answers, &index, &value, BPF_ANY);
}

SEC("xdp") int kconfig(struct xdp_md *ctx)
{
	answer(0, LINUX_KERNEL_VERSION);
	answer(1, CONFIG_BPF_SYSCALL);
	answer(2, CONFIG_NET);
	answer(3, CONFIG_HZ);
	answer(4, CONFIG_INET);
	answer(5, CONFIG_DEFAULT_HOSTNAME[1]);
	answer(6, CONFIG_NO_SUCH_SETTING);
	return XDP_PASS;
}

SEC("xdp") int symbols(struct xdp_md *ctx)
{
	answer(10, (__u64)&xdp_do_redirect);
	answer(11, (__u64)&no_such_symbol);
	if (&no_such_variable)
		answer(12, 1);
	return XDP_PASS;
}

#ifdef VARIABLE	/* kernels without CONFIG_KALLSYMS_ALL do not find it */
SEC("xdp") int variable(struct xdp_md *ctx)
{
	const struct softnet_data *data = bpf_this_cpu_ptr(&softnet_data);

	answer(13, data->processed != ~0U);
	return XDP_PASS;
}
#endif

SEC("xdp") int functions(struct xdp_md *ctx)
{
	answer(20, bpf_cast_to_kern_ctx(ctx) != 0);
	if (bpf_no_such_function)
		answer(21, bpf_no_such_function(1));
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
