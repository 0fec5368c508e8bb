/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the programs that hold packets share: which connections, and whether at all. */
#ifndef FASTCR_NETLOCK_H
#define FASTCR_NETLOCK_H

#include "kernel.h"
#include <bpf/bpf_endian.h>

#define NF_DROP 0
#define NF_ACCEPT 1
#define SOCCR_MARK 0xC114 /* criu's own packets while it repairs a connection */

/* Without CO-RE: verifier and kernel know these, nothing is to be looked up. */
struct nf_hook_state;
struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};
struct bpf_dynptr {
	__u64 opaque[2];
} __attribute__((aligned(8)));

/* A connection seen from the socket that is locked; IPv4 addresses are ::ffff:a.b.c.d. */
struct lock_key {
	__u8 local[16], remote[16];
	__u16 local_port, remote_port; /* network byte order */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* the loader knows how many */
	__type(key, struct lock_key);
	__type(value, __u32);
} netlock_conns SEC(".maps");

/* Connections are entered before the freeze and locked all at once. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} netlock_on SEC(".maps");

static __always_inline bool lock_is_on(void)
{
	__u32 zero = 0, *on = bpf_map_lookup_elem(&netlock_on, &zero);

	return on && *on;
}

#endif
