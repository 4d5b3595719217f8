/* A variable with something of every kind of type. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

enum color { RED, GREEN };
enum big { SMALL, HUGE_ONE = 1ULL << 40 };
typedef struct { __u8 a; __u16 b; } nested_t;
typedef const nested_t nested_again;

struct all {
	signed char small;
	__u64 wide;
	_Bool flag;
	char text[4];
	void *pointer;
	__u16 matrix[2][2];
	float single;
	double double_;
	__int128 huge;
	__u32 low : 3;
	int high : 5;
	nested_again nested[2];
	union {
		__u32 word;
		__u8 bytes[4];
	};
	__be16 be;
	__be64 be64;
	enum color color;
	enum big big;
	struct {
		int inside;
	};
};

struct all all = {
	.small = -5, .wide = 1ULL << 40, .flag = 1, .text = "ab", .matrix = { { 1, 2 }, { 3, 4 } }, .single = 1.5, .double_ = -2.25,
	.huge = -((__int128)1 << 100), .low = 5, .high = -2, .nested = { { 1, 2 }, { 3, 4 } }, .word = 0x01020304,
	.be = bpf_htons(0x1234), .be64 = bpf_cpu_to_be64(1), .color = GREEN, .big = HUGE_ONE, .inside = 9,
};
int delete = 3;

SEC("xdp") int p(struct xdp_md *ctx)
{
	return all.small + delete ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
