/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The same at the topmost cgroup, for kernels without netfilter links. A packet's network
 * namespace is not known here: the same addresses in another one are held too.
 */
#include "netlock.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define CGROUP_DROP 0
#define CGROUP_PASS 1

/* The part of uapi's struct __sk_buff that is read. */
struct __sk_buff {
	__u32 len, pkt_type, mark;
};

#define LOCK_PACKET struct __sk_buff
#define LOCK_READ(to, n, from, at) bpf_skb_load_bytes(from, at, to, n)
#include "netlock_key.h"

static __always_inline int cgroup_verdict(struct __sk_buff *skb, bool in)
{
	struct lock_key key = {};

	if (!lock_is_on() || skb->mark == SOCCR_MARK || !read_key(skb, in, &key))
		return CGROUP_PASS;
	return bpf_map_lookup_elem(&netlock_conns, &key) ? CGROUP_DROP : CGROUP_PASS;
}

SEC("cgroup_skb/ingress")
int netlock_in(struct __sk_buff *skb)
{
	return cgroup_verdict(skb, true);
}

SEC("cgroup_skb/egress")
int netlock_out(struct __sk_buff *skb)
{
	return cgroup_verdict(skb, false);
}
