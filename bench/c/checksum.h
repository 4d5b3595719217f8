/* SPDX-License-Identifier: MIT */
/* The internet checksum, updated in place. */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

static __always_inline __u16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The checksum after one 16-bit word of what it covers went from old to new: RFC 1624, equation 3. */
static __always_inline __sum16 csum_replace(__sum16 check, __be16 old, __be16 new)
{
	return csum_fold((__u16)~check + (__u16)~old + new);
}

/* The same for a 32-bit word, such as an IPv4 address. */
static __always_inline __sum16 csum_replace4(__sum16 check, __be32 old, __be32 new)
{
	__u32 sum = (__u16)~check;

	sum += (__u16)~old + (__u16)(~old >> 16);
	sum += (new & 0xffff) + (new >> 16);
	return csum_fold(sum);
}

#endif
