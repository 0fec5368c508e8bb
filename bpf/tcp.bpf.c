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

/* What changes with a packet that comes or goes. */
struct moving {
	__u32 rcv_nxt, copied_seq, rcv_wnd, rcv_wup;
	__u32 snd_una, snd_nxt, write_seq, snd_wl1, snd_wnd, max_window;
	__u32 state;
};

static __always_inline void read_moving(struct moving *m, struct tcp_sock *t)
{
	struct sock *sk = (void *)t;

	barrier(); /* what was read before may be another value by now */
	m->rcv_nxt = peek(struct tcp_sock, t, rcv_nxt);
	m->copied_seq = peek(struct tcp_sock, t, copied_seq);
	m->rcv_wnd = peek(struct tcp_sock, t, rcv_wnd);
	m->rcv_wup = peek(struct tcp_sock, t, rcv_wup);
	m->snd_una = peek(struct tcp_sock, t, snd_una);
	m->snd_nxt = peek(struct tcp_sock, t, snd_nxt);
	m->write_seq = peek(struct tcp_sock, t, write_seq);
	m->snd_wl1 = BPF_CORE_READ(t, snd_wl1);
	m->snd_wnd = peek(struct tcp_sock, t, snd_wnd);
	m->max_window = peek(struct tcp_sock, t, max_window);
	m->state = peek(struct sock, sk, __sk_common.skc_state);
}

static __always_inline bool same(const struct moving *a, const struct moving *b)
{
	return a->rcv_nxt == b->rcv_nxt && a->copied_seq == b->copied_seq && a->rcv_wnd == b->rcv_wnd && a->rcv_wup == b->rcv_wup &&
	       a->snd_una == b->snd_una && a->snd_nxt == b->snd_nxt && a->write_seq == b->write_seq && a->snd_wl1 == b->snd_wl1 &&
	       a->snd_wnd == b->snd_wnd && a->max_window == b->max_window && a->state == b->state;
}

/* read_standing reads until it reads the same twice, and tells whether it did. */
static __always_inline bool read_standing(struct tcp_rec *r, struct tcp_sock *t)
{
	struct moving was, is;
	bool stands = false;

	read_moving(&was, t);
	for (int i = 0; i < TRIES && !stands; i++) {
		read_moving(&is, t);
		stands = same(&was, &is);
		was = is;
	}
	r->rcv_nxt = is.rcv_nxt;
	r->copied_seq = is.copied_seq;
	r->rcv_wnd = is.rcv_wnd;
	r->rcv_wup = is.rcv_wup;
	r->snd_una = is.snd_una;
	r->snd_nxt = is.snd_nxt;
	r->write_seq = is.write_seq;
	r->snd_wl1 = is.snd_wl1;
	r->snd_wnd = is.snd_wnd;
	r->max_window = is.max_window;
	r->state = is.state;
	return stands;
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
	if (peek(struct sock, sk, __sk_common.skc_flags) >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1)
		o |= TCP_DONE;
	if (peek(struct tcp_sock, t, urg_data) & URGENT && (__s32)(peek(struct tcp_sock, t, urg_seq) - r->copied_seq) >= 0)
		o |= TCP_URGENT;
	if (BPF_CORE_READ_BITFIELD_PROBED(&sk->__sk_common, skc_reuse))
		o |= TCP_REUSEADDR;
	r->snd_wscale = BPF_CORE_READ_BITFIELD_PROBED(t, rx_opt.snd_wscale);
	r->rcv_wscale = BPF_CORE_READ_BITFIELD_PROBED(t, rx_opt.rcv_wscale);
	r->mss_clamp = peek(struct tcp_sock, t, rx_opt.mss_clamp);
	return o;
}

/* timestamp is what tcp_sock's clock shows; its lowest bit says how fast that goes. */
static __always_inline __u32 timestamp(struct tcp_sock *t)
{
	__u32 offset = peek(struct tcp_sock, t, tsoffset);
	__u64 ns = bpf_ktime_get_ns();

	if (tcp_counts_microseconds(t))
		return ((__u32)(ns / 1000) + offset) | 1;
	return ((__u32)(ns / 1000000) + offset) & ~1u;
}

SEC("iter/task_file")
int dump_tcp(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task, *owner;
	struct file *file = ctx->file, *f;
	struct seq_file *seq = ctx->meta->seq;
	struct tcp_rec r = { .head = { REC_TCP, sizeof(r) } };
	struct reader_ns ns;
	struct socket *so;
	struct sock *sk;
	struct tcp_sock *t;
	__u32 family;
	bool stands;

	if (!task || !file)
		return emit_end(seq);
	f = plain(struct file, file);
	if ((f->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return 0;
	so = f->private_data;
	sk = peek(struct socket, so, sk);
	if (!sk)
		return 0;
	family = peek(struct sock, sk, __sk_common.skc_family);
	if ((family != AF_INET && family != AF_INET6) || peek(struct sock, sk, sk_type) != SOCK_STREAM || peek(struct sock, sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	if (peek(struct sock, sk, __sk_common.skc_state) == TCP_LISTEN || !peek(struct sock, sk, __sk_common.skc_dport))
		return 0;
	t = (void *)sk;
	stands = read_standing(&r, t);
	r.options = read_options(&r, sk, t);
	if (!stands)
		r.options |= TCP_UNSTABLE;
	r.timestamp = timestamp(t);
	ns = reader_pidns();
	owner = plain(struct task_struct, task);
	r.tgid = pid_in(owner->group_leader->thread_pid, &ns);
	r.fd = ctx->fd;
	r.file = (__u64)file;
	r.object = (__u64)sk;
	r.refs = file_refs(file) - 1; /* one is the iterator's */
	emit_tcp_rec(seq, &r);
	return 0;
}
