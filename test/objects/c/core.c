/* CO-RE: every kind of relocation, against types that every kernel with XDP has. What differs from the kernel's is on purpose. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define adapts __attribute__((preserve_access_index))

/* Fewer members than the kernel's, in another order: the places must come from the kernel. */
struct net_device {
	unsigned int mtu;
	int ifindex;
	char name[16];
} adapts;

struct xdp_rxq_info {
	struct net_device *dev;
	__u32 queue_index;
} adapts;

struct xdp_buff {
	void *data_end;
	void *data;
	struct xdp_rxq_info *rxq;
} adapts;

/* A flavour of it, with a member that no kernel has. */
struct net_device___other {
	int no_such_member;
} adapts;

struct no_such_struct {
	int a;
} adapts;

/* Bit fields. */
struct sk_buff {
	__u32 len;
	__u8 pkt_type : 3;
	__u8 ip_summed : 2;
} adapts;

enum xdp_action___kernel { XDP_DROP___kernel = 77, XDP_TX___kernel = 78, XDP_NO_SUCH___kernel = 79 };
enum no_such_enum { NO_SUCH_VALUE = 5 };

typedef struct { int counter; } atomic_t___kernel;
typedef int no_such_typedef;

struct list_head {
	struct list_head *next, *prev;
} adapts;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 64);
} answers SEC(".maps");

static __always_inline void answer(__u32 index, __u64 value)
{
	bpf_map_update_elem(&answers, &index, &value, BPF_ANY);
}

SEC("xdp") int fields(struct xdp_md *ctx)
{
	struct net_device *dev = 0;
	struct sk_buff *skb = 0;

	answer(0, __builtin_preserve_field_info(dev->mtu, BPF_FIELD_BYTE_OFFSET));
	answer(1, bpf_core_field_size(dev->name));
	answer(2, bpf_core_field_exists(dev->mtu));
	answer(3, bpf_core_field_exists(((struct net_device___other *)0)->no_such_member));
	answer(4, bpf_core_field_exists(((struct no_such_struct *)0)->a));
	answer(5, __builtin_preserve_field_info(dev->ifindex, BPF_FIELD_SIGNED));
	answer(6, __builtin_preserve_field_info(skb->pkt_type, BPF_FIELD_LSHIFT_U64));
	answer(7, __builtin_preserve_field_info(skb->pkt_type, BPF_FIELD_RSHIFT_U64));
	answer(8, __builtin_preserve_field_info(skb->ip_summed, BPF_FIELD_BYTE_OFFSET));
	answer(9, __builtin_preserve_field_info(skb->ip_summed, BPF_FIELD_BYTE_SIZE));
	answer(10, __builtin_preserve_field_info(skb->ip_summed, BPF_FIELD_LSHIFT_U64));
	answer(11, __builtin_preserve_field_info(dev->mtu, BPF_FIELD_SIGNED));
	answer(12, __builtin_preserve_field_info(dev->name[3], BPF_FIELD_BYTE_OFFSET));
	return XDP_PASS;
}

SEC("xdp") int types(struct xdp_md *ctx)
{
	answer(20, bpf_core_type_exists(struct net_device) );
	answer(21, bpf_core_type_exists(struct no_such_struct));
	answer(22, bpf_core_type_size(struct list_head));
	answer(23, bpf_core_type_size(struct no_such_struct));
	answer(24, bpf_core_type_id_kernel(struct list_head) != 0);
	answer(25, bpf_core_type_id_kernel(struct no_such_struct));
	answer(27, bpf_core_type_exists(atomic_t___kernel));
	answer(28, bpf_core_type_exists(no_such_typedef));
#ifdef MATCHES
	answer(29, bpf_core_type_matches(struct list_head));
	answer(30, bpf_core_type_matches(struct net_device));
	answer(31, bpf_core_type_matches(struct net_device___other));
#endif
	return XDP_PASS;
}

#ifdef LOCAL_TYPES
/* Their numbers are each loader's own. */
SEC("xdp") int local_types(struct xdp_md *ctx)
{
	answer(26, bpf_core_type_id_local(struct list_head) != 0);
	return XDP_PASS;
}
#endif

SEC("xdp") int enums(struct xdp_md *ctx)
{
	answer(40, bpf_core_enum_value_exists(enum xdp_action___kernel, XDP_TX___kernel));
	answer(41, bpf_core_enum_value_exists(enum xdp_action___kernel, XDP_NO_SUCH___kernel));
	answer(42, bpf_core_enum_value(enum xdp_action___kernel, XDP_TX___kernel));
	answer(43, bpf_core_enum_value_exists(enum no_such_enum, NO_SUCH_VALUE));
	if (bpf_core_enum_value_exists(enum no_such_enum, NO_SUCH_VALUE))
		answer(44, bpf_core_enum_value(enum no_such_enum, NO_SUCH_VALUE));
	return XDP_PASS;
}

/* What is missing is guarded, so the verifier does not get there. */
SEC("xdp") int guarded(struct xdp_md *ctx)
{
	struct net_device___other *other = 0;

	if (bpf_core_field_exists(other->no_such_member))
		answer(50, __builtin_preserve_field_info(other->no_such_member, BPF_FIELD_BYTE_OFFSET));
	else
		answer(50, 1234);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
