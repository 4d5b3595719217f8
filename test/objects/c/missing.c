/* What no kernel has, without asking first. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct net_device {
	int ifindex, no_such_member;
} __attribute__((preserve_access_index));
struct no_such_struct {
	int a;
} __attribute__((preserve_access_index));
struct list_head {
	int next;
} __attribute__((preserve_access_index));
enum xdp_action___mine { XDP_NO_SUCH = 9 };

extern int bpf_no_such_function(int value) __ksym __weak;
#ifdef NEEDED
extern int bpf_needed(int value) __ksym;
extern int CONFIG_NO_SUCH_SETTING __kconfig;
extern const void no_such_symbol __ksym;
extern _Bool CONFIG_HZ __kconfig;
extern int bpf_cast_to_kern_ctx(int a, int b, int c) __ksym;

SEC("xdp") int needs_function(struct xdp_md *ctx) { return bpf_needed(1); }
SEC("xdp") int needs_setting(struct xdp_md *ctx) { return CONFIG_NO_SUCH_SETTING; }
SEC("xdp") int needs_symbol(struct xdp_md *ctx) { return (long)&no_such_symbol; }
SEC("xdp") int needs_other_type(struct xdp_md *ctx) { return CONFIG_HZ; }
SEC("xdp") int needs_other_function(struct xdp_md *ctx) { return bpf_cast_to_kern_ctx(1, 2, 3); }
#endif

SEC("xdp") int member(struct xdp_md *ctx)
{
	struct net_device *dev = 0;

	return __builtin_preserve_field_info(dev->no_such_member, BPF_FIELD_BYTE_OFFSET);
}

SEC("xdp") int other_kind(struct xdp_md *ctx)
{
	struct list_head *list = 0;

	return __builtin_preserve_field_info(list->next, BPF_FIELD_BYTE_SIZE);
}

SEC("xdp") int type(struct xdp_md *ctx)
{
	struct no_such_struct *some = 0;

	return __builtin_preserve_field_info(some->a, BPF_FIELD_BYTE_OFFSET);
}

SEC("xdp") int enumerator(struct xdp_md *ctx) { return bpf_core_enum_value(enum xdp_action___mine, XDP_NO_SUCH); }
SEC("xdp") int function(struct xdp_md *ctx) { return bpf_no_such_function(1); }
SEC("xdp") int fine(struct xdp_md *ctx) { return XDP_PASS; }

char _license[] SEC("license") = "GPL";
