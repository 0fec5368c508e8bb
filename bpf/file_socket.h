/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets: what all families have. */
#ifndef FASTCR_FILE_SOCKET_H
#define FASTCR_FILE_SOCKET_H

#include "emit.h"
#include "drift.h"

DEFINE_EMIT(file_socket)

static __always_inline __u32 sock_options(struct sock *sk, unsigned long socket_flags)
{
	unsigned long f = peek(struct sock, sk, __sk_common.skc_flags);
	__u32 pass = sock_pass(sk, socket_flags), o = 0;

	if (BPF_CORE_READ_BITFIELD_PROBED(&sk->__sk_common, skc_reuse))
		o |= OPT_REUSEADDR;
	if (BPF_CORE_READ_BITFIELD_PROBED(&sk->__sk_common, skc_reuseport))
		o |= OPT_REUSEPORT;
#define OPTION(bit, option)                                            \
	if (f >> bpf_core_enum_value(enum sock_flags, bit) & 1)        \
		o |= option;
	OPTION(SOCK_LOCALROUTE, OPT_DONTROUTE)
	OPTION(SOCK_BROADCAST, OPT_BROADCAST)
	OPTION(SOCK_URGINLINE, OPT_OOBINLINE)
	OPTION(SOCK_KEEPOPEN, OPT_KEEPALIVE)
	OPTION(SOCK_LINGER, OPT_LINGER)
	OPTION(SOCK_RCVTSTAMP, OPT_TIMESTAMP)
	OPTION(SOCK_RXQ_OVFL, OPT_RXQ_OVFL)
	OPTION(SOCK_FILTER_LOCKED, OPT_LOCK_FILTER)
#undef OPTION
#define OPTION(bit, option)                                                                            \
	if (bpf_core_enum_value_exists(enum sock_flags, bit) && f >> bpf_core_enum_value(enum sock_flags, bit) & 1) \
		o |= option;
	OPTION(SOCK_NOFCS, OPT_NOFCS)
	OPTION(SOCK_WIFI_STATUS, OPT_WIFI_STATUS)
	OPTION(SOCK_TXTIME, OPT_TXTIME)
	OPTION(SOCK_RCVMARK, OPT_RCVMARK)
	OPTION(SOCK_RCVPRIORITY, OPT_RCVPRIORITY)
#undef OPTION
	if (pass & 1)
		o |= OPT_PASSCRED;
	if (pass & 2)
		o |= OPT_PASSSEC;
	if (pass & 4)
		o |= OPT_PASSPIDFD;
	if (peek(struct sock, sk, sk_peek_off) >= 0)
		o |= OPT_PEEK_OFF;
	if (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_no_check_tx))
		o |= OPT_NO_CHECK;
	if (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_tsflags))
		o |= OPT_TIMESTAMPING;
	if (sock_without_rights(sk))
		o |= OPT_NO_RIGHTS;
	return o;
}

static __always_inline void fill_filter(struct file_socket *r, struct sock *sk)
{
	struct bpf_prog *prog = BPF_CORE_READ(sk, sk_filter, prog);
	struct sock_fprog_kern *classic;

	r->filter = (__u64)prog;
	if (!prog)
		return;
	classic = BPF_CORE_READ(prog, orig_prog);
	if (classic)
		r->filter_len = BPF_CORE_READ(classic, len);
}

static __noinline int emit_socket(struct seq_file *seq, struct file *file, struct file_socket *r)
{
	struct socket *so = BPF_CORE_READ(file, private_data);
	struct sock *sk = peek(struct socket, so, sk);

	if (!sk || !r)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->head.type = REC_FILE_SOCKET;
	r->head.len = sizeof(*r);
	r->file = (__u64)file;
	r->object = (__u64)sk;
	r->rcvtimeo = peek(struct sock, sk, sk_rcvtimeo);
	r->sndtimeo = peek(struct sock, sk, sk_sndtimeo);
	r->linger = peek(struct sock, sk, sk_lingertime);
	r->family = peek(struct sock, sk, __sk_common.skc_family);
	r->type = peek(struct sock, sk, sk_type);
	r->protocol = peek(struct sock, sk, sk_protocol);
	r->state = peek(struct sock, sk, __sk_common.skc_state);
	r->shutdown = peek(struct sock, sk, sk_shutdown);
	r->backlog = peek(struct sock, sk, sk_max_ack_backlog);
	r->sndbuf = peek(struct sock, sk, sk_sndbuf);
	r->rcvbuf = peek(struct sock, sk, sk_rcvbuf);
	r->rcvlowat = peek(struct sock, sk, sk_rcvlowat);
	r->priority = peek(struct sock, sk, sk_priority);
	r->mark = peek(struct sock, sk, sk_mark);
	r->userlocks = peek(struct sock, sk, sk_userlocks);
	r->options = sock_options(sk, peek(struct socket, so, flags));
	r->queued = peek(struct sock, sk, sk_receive_queue.qlen);
	r->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	r->bound_dev = peek(struct sock, sk, __sk_common.skc_bound_dev_if);
	fill_filter(r, sk);
	return emit_file_socket(seq, r);
}

#endif
