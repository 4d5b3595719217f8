/* SPDX-License-Identifier: MIT */
/*
 * What somebody who counts instructions does to the same sources. The kernel's struct ethhdr is packed, so clang reads and writes it
 * byte by byte; here it is not. MAC addresses are copied as 4 and 2 bytes, IPv6 addresses as twice 8, whatever their alignment: BPF
 * does not ask for any in packets and maps. The walk over IPv6 extension headers stays a loop.
 */
#ifndef WIDE_H
#define WIDE_H

#define __UAPI_DEF_ETHHDR 0
#ifndef NARROW_IN6_ADDR
#define __UAPI_DEF_IN6_ADDR 0
#endif
#include <linux/types.h>
#include <linux/if_ether.h>

struct ethhdr {
	unsigned char h_dest[ETH_ALEN];
	unsigned char h_source[ETH_ALEN];
	__be16 h_proto;
};

#ifndef NARROW_IN6_ADDR
struct in6_addr {
	__u64 words[2];
};
#endif

typedef __u16 __attribute__((may_alias)) wide16;
typedef __u32 __attribute__((may_alias)) wide32;
typedef __u64 __attribute__((may_alias)) wide64;

/* Loads before stores, as memcpy may not overlap anyway. */
static inline __attribute__((always_inline)) void wide_copy(void *to, const void *from, unsigned int size)
{
#ifdef MACS_ON_STACK
	if (size == ETH_ALEN) {
		wide16 first = *(const wide16 *)from;
		wide16 middle = *(const wide16 *)(from + 2);
		wide16 last = *(const wide16 *)(from + 4);

		*(wide16 *)to = first;
		*(wide16 *)(to + 2) = middle;
		*(wide16 *)(to + 4) = last;
		return;
	}
#endif
	if (size == ETH_ALEN) {
		wide32 first = *(const wide32 *)from;
		wide16 last = *(const wide16 *)(from + 4);

		*(wide32 *)to = first;
		*(wide16 *)(to + 4) = last;
	} else if (size == ETH_HLEN) {
		wide64 first = *(const wide64 *)from;
		wide32 middle = *(const wide32 *)(from + 8);
		wide16 last = *(const wide16 *)(from + 12);

		*(wide64 *)to = first;
		*(wide32 *)(to + 8) = middle;
		*(wide16 *)(to + 12) = last;
	} else if (size == 16) {
		wide64 first = *(const wide64 *)from;
		wide64 last = *(const wide64 *)(from + 8);

		*(wide64 *)to = first;
		*(wide64 *)(to + 8) = last;
	} else {
		__builtin_memcpy(to, from, size);
	}
}

#define __builtin_memcpy(to, from, size) wide_copy(to, from, size)
#define WALK _Pragma("clang loop unroll(disable)")

#endif
