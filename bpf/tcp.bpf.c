/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * iter/task_file: what TCP connections are at. It is read by itself, once nothing changes any
 * more: the owner is frozen and the peer's packets are held.
 */
#include "drift.h"
#include "emit.h"
#include "pidns.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

DEFINE_EMIT(tcp_rec)

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define TCP_LISTEN 10
#define URGENT (0x100 | 0x200) /* TCP_URG_VALID, TCP_URG_NOTYET */
#define TRIES 4

static __always_inline void read_sequences(struct tcp_rec *r, struct tcp_sock *t)
{
	r->rcv_nxt = t->rcv_nxt;
	r->copied_seq = t->copied_seq;
	r->rcv_wnd = t->rcv_wnd;
	r->rcv_wup = t->rcv_wup;
	r->snd_una = t->snd_una;
	r->snd_nxt = t->snd_nxt;
	r->write_seq = t->write_seq;
	r->snd_wl1 = t->snd_wl1;
	r->snd_wnd = t->snd_wnd;
	r->max_window = t->max_window;
}

static __always_inline bool stands(const struct tcp_rec *r, struct tcp_sock *t)
{
	return r->rcv_nxt == t->rcv_nxt && r->rcv_wup == t->rcv_wup && r->rcv_wnd == t->rcv_wnd && r->snd_una == t->snd_una &&
	       r->snd_nxt == t->snd_nxt && r->write_seq == t->write_seq && r->snd_wl1 == t->snd_wl1 && r->snd_wnd == t->snd_wnd;
}

static __always_inline __u32 read_options(struct tcp_rec *r, struct sock *sk, struct tcp_sock *t)
{
	__u32 o = 0;

	if (BPF_CORE_READ_BITFIELD_PROBED(t, rx_opt.tstamp_ok))
		o |= TCP_TIMESTAMPS;
	if (BPF_CORE_READ_BITFIELD_PROBED(t, rx_opt.sack_ok))
		o |= TCP_SACK;
	if (BPF_CORE_READ_BITFIELD_PROBED(t, rx_opt.wscale_ok))
		o |= TCP_WSCALE;
	if (sk->__sk_common.skc_flags >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1)
		o |= TCP_DONE;
	if (t->urg_data & URGENT && (__s32)(t->urg_seq - t->copied_seq) >= 0)
		o |= TCP_URGENT;
	if (BPF_CORE_READ_BITFIELD_PROBED(&sk->__sk_common, skc_reuse))
		o |= TCP_REUSEADDR;
	r->snd_wscale = BPF_CORE_READ_BITFIELD_PROBED(t, rx_opt.snd_wscale);
	r->rcv_wscale = BPF_CORE_READ_BITFIELD_PROBED(t, rx_opt.rcv_wscale);
	r->mss_clamp = t->rx_opt.mss_clamp;
	return o;
}

/* timestamp is what tcp_sock's clock shows; its lowest bit says how fast that goes. */
static __always_inline __u32 timestamp(struct tcp_sock *t)
{
	__u64 ns = bpf_ktime_get_ns();

	if (tcp_counts_microseconds(t))
		return ((__u32)(ns / 1000) + t->tsoffset) | 1;
	return ((__u32)(ns / 1000000) + t->tsoffset) & ~1u;
}

SEC("iter/task_file")
int dump_tcp(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task, *leader;
	struct file *file = ctx->file, *f;
	struct seq_file *seq = ctx->meta->seq;
	struct tcp_rec r = { .head = { REC_TCP, sizeof(r) } };
	struct reader_ns ns;
	struct socket *so;
	struct sock *sk;
	struct tcp_sock *t;
	__u32 family;
	int i;

	if (!task || !file)
		return emit_end(seq);
	f = plain(struct file, file);
	if ((f->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return 0;
	so = plain(struct socket, f->private_data);
	sk = so->sk;
	if (!sk)
		return 0;
	family = sk->__sk_common.skc_family;
	if ((family != AF_INET && family != AF_INET6) || sk->sk_type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	r.state = sk->__sk_common.skc_state;
	if (r.state == TCP_LISTEN || !sk->__sk_common.skc_dport)
		return 0;
	t = plain(struct tcp_sock, sk);
	for (i = 0; i < TRIES; i++) {
		read_sequences(&r, t);
		if (stands(&r, t) && r.state == sk->__sk_common.skc_state)
			break;
		r.state = sk->__sk_common.skc_state;
	}
	r.options = read_options(&r, sk, t);
	if (i == TRIES)
		r.options |= TCP_UNSTABLE;
	r.timestamp = timestamp(t);
	ns = reader_pidns();
	leader = plain(struct task_struct, task)->group_leader;
	r.tgid = pid_in(leader->thread_pid, &ns);
	r.fd = ctx->fd;
	r.file = (__u64)file;
	r.object = (__u64)sk;
	emit_tcp_rec(seq, &r);
	return 0;
}
