/* SPDX-License-Identifier: MIT */
/* A position in the packet that moves from header to header and checks bounds, and the VLAN tags that it skips. */
#ifndef CURSOR_H
#define CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN_MAX_DEPTH 2

/* Not in the kernel's headers for user space. */
struct vlan_hdr {
	__be16 h_vlan_TCI;
	__be16 h_vlan_encapsulated_proto;
};

struct cursor {
	void *pos;
	void *end;
};

/* Moves over the next size bytes; false when the packet ends before they do. */
static __always_inline bool advance(struct cursor *cur, size_t size)
{
	void *next = cur->pos + size;

	if (next > cur->end)
		return false;
	cur->pos = next;
	return true;
}

static __always_inline bool is_vlan(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

static __always_inline __be16 skip_vlan_tags(struct cursor *cur, __be16 proto)
{
#pragma unroll
	for (int depth = 0; depth < VLAN_MAX_DEPTH; depth++) {
		struct vlan_hdr *vlan = cur->pos;

		if (!is_vlan(proto) || !advance(cur, sizeof(*vlan)))
			break;
		proto = vlan->h_vlan_encapsulated_proto;
	}
	return proto;
}

#endif
