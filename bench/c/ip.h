/* SPDX-License-Identifier: MIT */
/* Where the payload of an IP packet is, options and extension headers skipped: the counterpart of src/net/ip.ts. */
#ifndef IP_H
#define IP_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include "cursor.h"

#define IP_OFFSET 0x1fff /* not in the kernel's headers for user space, nor is the next */
#define IP6_OFFSET 0xfff8
#define MAX_EXTENSIONS 6

/* How to compile the walk over extension headers: clang decides, and unrolls it. */
#ifndef WALK
#define WALK
#endif

struct frag_hdr {
	__u8 nexthdr;
	__u8 reserved;
	__be16 frag_off;
	__be32 identification;
};

struct ip_payload {
	__u8 protocol;
	__u16 fragment; /* in units of eight bytes */
};

/* Moves the cursor behind the header. 0 when it is cut off, or none. */
static __always_inline int ipv4_payload(struct cursor *cur, struct ip_payload *payload)
{
	struct iphdr *ip = cur->pos;

	if (!advance(cur, sizeof(*ip)) || ip->version != 4 || ip->ihl < 5)
		return 0;
	payload->protocol = ip->protocol;
	payload->fragment = bpf_ntohs(ip->frag_off) & IP_OFFSET;
	cur->pos = (void *)ip + ip->ihl * 4;
	return 1;
}

static __always_inline int ipv6_payload(struct cursor *cur, struct ip_payload *payload)
{
	struct ipv6hdr *ip6 = cur->pos;

	if (!advance(cur, sizeof(*ip6)) || ip6->version != 6)
		return 0;
	payload->protocol = ip6->nexthdr;
	payload->fragment = 0;

	WALK
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		struct ipv6_opt_hdr *ext = cur->pos;
		struct frag_hdr *frag = cur->pos;

		switch (payload->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if ((void *)ext + 8 > cur->end)
				return 0;
			cur->pos = (void *)ext + (ext->hdrlen + 1) * 8;
			break;
		case IPPROTO_AH:
			if ((void *)ext + 8 > cur->end)
				return 0;
			cur->pos = (void *)ext + (ext->hdrlen + 2) * 4;
			break;
		case IPPROTO_FRAGMENT:
			if (!advance(cur, sizeof(*frag)))
				return 0;
			if (frag->frag_off & bpf_htons(IP6_OFFSET)) {
				payload->protocol = frag->nexthdr;
				payload->fragment = bpf_ntohs(frag->frag_off) >> 3;
				return 1;
			}
			break;
		default:
			return 1;
		}
		payload->protocol = ext->nexthdr;
	}
	return 1;
}

#endif
