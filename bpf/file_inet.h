/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets of AF_INET and AF_INET6: addresses and the options of their layers. */
#ifndef FASTCR_FILE_INET_H
#define FASTCR_FILE_INET_H

#include "emit.h"
#include "drift.h"
#include <bpf/bpf_endian.h>

DEFINE_EMIT(file_inet)

#define AF_INET 2
#define AF_INET6 10
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_ICMPV6 58
#define IPPROTO_MH 135
#define IPPROTO_UDPLITE 136
#define NAGLE_OFF 1
#define NAGLE_CORK 2

static __always_inline void fill_inet_address(struct file_inet *r, struct sock *sk)
{
	struct inet_sock *in = (void *)sk;

	r->sport = bpf_ntohs(peek(struct inet_sock, in, inet_sport));
	r->dport = bpf_ntohs(peek(struct sock, sk, __sk_common.skc_dport));
	if (peek(struct sock, sk, __sk_common.skc_family) == AF_INET6) {
		BPF_CORE_READ_INTO((struct in6_addr *)r->src, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)r->dst, sk, __sk_common.skc_v6_daddr);
		return;
	}
	*(__be32 *)r->src = peek(struct sock, sk, __sk_common.skc_rcv_saddr);
	*(__be32 *)r->dst = peek(struct sock, sk, __sk_common.skc_daddr);
}

static __always_inline __u32 inet_options(struct sock *sk, struct ipv6_pinfo *np)
{
	struct inet_sock *in = (void *)sk;
	__u64 f = inet_flags(sk);
	__u32 o = 0, all;

	if (f & INET_FLAG_FREEBIND)
		o |= INET_FREEBIND;
	if (f & INET_FLAG_HDRINCL)
		o |= INET_HDRINCL;
	if (f & INET_FLAG_TRANSPARENT)
		o |= INET_TRANSPARENT;
	if (f & INET_FLAG_NODEFRAG)
		o |= INET_NODEFRAG;
	if (peek(struct inet_sock, in, mc_list))
		o |= INET_MULTICAST;
	if (peek(struct inet_sock, in, inet_opt))
		o |= INET_IP_OPTIONS;
	if (BPF_CORE_READ(sk, sk_reuseport_cb, prog))
		o |= INET_STEERED;
	if (f & INET_FLAGS_CMSG & ~INET_FLAG_PKTINFO)
		o |= INET_RECEIVES;
	if (!np)
		return f & INET_FLAG_PKTINFO ? o | INET_PKTINFO : o;
	if (BPF_CORE_READ_BITFIELD_PROBED(&sk->__sk_common, skc_ipv6only))
		o |= INET_V6ONLY;
	if (peek(struct ipv6_pinfo, np, ipv6_mc_list) || peek(struct ipv6_pinfo, np, ipv6_ac_list))
		o |= INET_MULTICAST;
	all = peek(struct ipv6_pinfo, np, rxopt.all);
	if (BPF_CORE_READ_BITFIELD_PROBED(np, rxopt.bits.rxinfo)) {
		o |= INET_PKTINFO;
		all &= all - 1; /* one bit less */
	}
	return all || f & INET_FLAG_PKTINFO ? o | INET_RECEIVES : o;
}

static __always_inline void fill_tcp_options(struct file_inet *r, struct sock *sk)
{
	struct inet_connection_sock *c = (void *)sk;
	struct tcp_sock *t = (void *)sk;
	__u32 nagle = BPF_CORE_READ_BITFIELD_PROBED(t, nonagle);

	if (nagle & NAGLE_OFF)
		r->options |= INET_NODELAY;
	if (nagle & NAGLE_CORK)
		r->options |= INET_CORK;
	if (peek(struct inet_connection_sock, c, icsk_ulp_ops))
		r->options |= INET_LAYER;
	if (tcp_signed(sk))
		r->options |= INET_SIGNED;
	r->keepidle = peek(struct tcp_sock, t, keepalive_time);
	r->keepintvl = peek(struct tcp_sock, t, keepalive_intvl);
	r->keepcnt = peek(struct tcp_sock, t, keepalive_probes);
	r->waiting = peek(struct sock, sk, sk_ack_backlog);
}

static __always_inline void fill_raw_options(struct file_inet *r, struct sock *sk, __u32 protocol, bool v6)
{
	struct raw_sock *raw = (void *)sk;
	struct raw6_sock *raw6 = (void *)sk;

	if (v6) {
		BPF_CORE_READ_INTO((struct icmp6_filter *)r->icmp_filter, raw6, filter);
		if (protocol != IPPROTO_ICMPV6 && protocol != IPPROTO_MH && BPF_CORE_READ(raw6, checksum))
			r->options |= INET_CHECKSUM;
		return;
	}
	r->icmp_filter[0] = BPF_CORE_READ(raw, filter.data);
}

static __always_inline void fill_udp_options(struct file_inet *r, struct sock *sk)
{
	struct udp_sock *u = (void *)sk;

	if (udp_corked(sk) || BPF_CORE_READ(u, pending))
		r->options |= INET_CORK;
	if (BPF_CORE_READ(u, encap_type))
		r->options |= INET_TUNNEL;
}

static __noinline int emit_inet(struct seq_file *seq, struct file *file, struct file_inet *r)
{
	struct socket *so = BPF_CORE_READ(file, private_data);
	struct sock *sk = peek(struct socket, so, sk);
	struct inet_sock *in = (void *)sk;
	struct ipv6_pinfo *np = 0;
	__u32 family, type, protocol;

	if (!sk || !r)
		return 0;
	family = peek(struct sock, sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	type = peek(struct sock, sk, sk_type);
	protocol = peek(struct sock, sk, sk_protocol);
	if (family == AF_INET6)
		np = peek(struct inet_sock, in, pinet6);
	__builtin_memset(r, 0, sizeof(*r));
	r->head.type = REC_FILE_INET;
	r->head.len = sizeof(*r);
	r->file = (__u64)file;
	fill_inet_address(r, sk);
	r->options = inet_options(sk, np);
	r->tos = peek(struct inet_sock, in, tos);
	r->ttl = peek(struct inet_sock, in, uc_ttl);
	if (type == SOCK_RAW)
		fill_raw_options(r, sk, protocol, family == AF_INET6);
	else if (protocol == IPPROTO_TCP)
		fill_tcp_options(r, sk);
	else if (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE)
		fill_udp_options(r, sk);
	return emit_file_inet(seq, r);
}

#endif
