/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Netfilter links that hold the packets of locked TCP connections (Linux 6.4). */
#include "netlock.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Where sk_buff.mark is. A constant, so that a load needs no type information in user space. */
const volatile __u32 mark_offset = 0;

extern int bpf_dynptr_from_skb(struct sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym;

static __always_inline int read_skb(void *to, __u32 n, const struct bpf_dynptr *from, __u32 at)
{
	return bpf_dynptr_read(to, n, from, at, 0);
}

#define LOCK_READ read_skb
#define LOCK_PACKET const struct bpf_dynptr
#include "netlock_key.h"

static __always_inline int verdict(struct bpf_nf_ctx *ctx, bool in)
{
	struct sk_buff *skb = ctx->skb;
	struct bpf_dynptr packet;
	struct lock_key key = {};

	if (!lock_is_on() || *(__u32 *)((void *)skb + mark_offset) == SOCCR_MARK)
		return NF_ACCEPT;
	if (bpf_dynptr_from_skb(skb, 0, &packet) || !read_key(&packet, in, &key))
		return NF_ACCEPT;
	return bpf_map_lookup_elem(&netlock_conns, &key) ? NF_DROP : NF_ACCEPT;
}

SEC("netfilter")
int netlock_in(struct bpf_nf_ctx *ctx)
{
	return verdict(ctx, true);
}

SEC("netfilter")
int netlock_out(struct bpf_nf_ctx *ctx)
{
	return verdict(ctx, false);
}
