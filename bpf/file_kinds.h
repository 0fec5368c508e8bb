/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What each kind of file has: one emitter a kind. */
#ifndef FASTCR_FILE_KINDS_H
#define FASTCR_FILE_KINDS_H

#include "kernel.h"
#include "records.h"
#include "emit.h"
#include "drift.h"
#include "pidns.h"
#include "timers.h"

#define PAGE_SIZE 4096

DEFINE_EMIT(file_pipe)
DEFINE_EMIT(file_tty)
DEFINE_EMIT(file_counter)
DEFINE_EMIT(file_timer)
DEFINE_EMIT(file_watch)
DEFINE_EMIT(file_socket)

static __noinline int emit_pipe(struct seq_file *seq, struct file *file)
{
	struct pipe_inode_info *p = BPF_CORE_READ(file, private_data);
	struct file_pipe r = {
		.head = { REC_FILE_PIPE, sizeof(r) },
		.file = (__u64)file,
		.object = (__u64)p,
	};

	r.readers = BPF_CORE_READ(p, readers);
	r.writers = BPF_CORE_READ(p, writers);
	r.ring = BPF_CORE_READ(p, max_usage) * PAGE_SIZE;
	return emit_file_pipe(seq, &r);
}

/* An enum, renumbered, since v6.12; macros with the values in kernel.h before. */
#define tty_bit(flags, bit)                                                              \
	((flags) >> (bpf_core_enum_value_exists(enum tty_struct_flags, bit) ?            \
			     bpf_core_enum_value(enum tty_struct_flags, bit) : (bit)) & 1)

static __always_inline int emit_tty(struct seq_file *seq, struct file *file, const struct reader_ns *ns, struct file_tty *r)
{
	struct tty_file_private *priv = BPF_CORE_READ(file, private_data);
	struct tty_struct *t = BPF_CORE_READ(priv, tty), *link;
	struct tty_driver *driver = BPF_CORE_READ(t, driver);
	unsigned long flags = BPF_CORE_READ(t, flags);

	if (!priv)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->head.type = REC_FILE_TTY;
	r->head.len = sizeof(*r);
	r->file = (__u64)file;
	r->object = (__u64)t;
	link = BPF_CORE_READ(t, link);
	r->link = (__u64)link;
	r->link_count = link ? BPF_CORE_READ(link, count) : 0;
	r->type = tty_type(driver);
	r->subtype = tty_subtype(driver);
	r->major = BPF_CORE_READ(driver, major);
	r->minor_start = BPF_CORE_READ(driver, minor_start);
	r->index = BPF_CORE_READ(t, index);
	r->count = BPF_CORE_READ(t, count);
	/* A pty master shows the slave's foreground group and session. */
	r->pgrp = pid_in(BPF_CORE_READ(t, ctrl.pgrp), ns);
	r->session = pid_in(BPF_CORE_READ(t, ctrl.session), ns);
	if (!r->session && link && r->subtype == 1) {
		r->pgrp = pid_in(BPF_CORE_READ(link, ctrl.pgrp), ns);
		r->session = pid_in(BPF_CORE_READ(link, ctrl.session), ns);
	}
	r->packet = BPF_CORE_READ(t, ctrl.packet);
	r->exclusive = tty_bit(flags, TTY_EXCLUSIVE);
	r->locked = tty_bit(link && r->subtype == 1 ? BPF_CORE_READ(link, flags) : flags, TTY_PTY_LOCK);
	r->other_closed = tty_bit(flags, TTY_OTHER_CLOSED);
	r->hung = tty_bit(flags, TTY_HUPPED);
	BPF_CORE_READ_INTO(&r->winsize, t, winsize);
	/* The terminal's modes are the slave's; a master's own are fixed. */
	if (link && r->subtype == 1)
		t = link;
	bpf_probe_read_kernel(r->termios, 44, __builtin_preserve_access_index(&t->termios));
	bpf_probe_read_kernel(r->termios_locked, 44, __builtin_preserve_access_index(&t->termios_locked));
	return emit_file_tty(seq, r);
}

static __noinline int emit_value(struct seq_file *seq, __u64 file, __u32 type, __u64 value, __u64 flags)
{
	struct file_counter r = {
		.head = { type, sizeof(r) }, .file = file, .value = value, .flags = flags,
	};

	return emit_file_counter(seq, &r);
}

static __noinline int emit_timerfd(struct seq_file *seq, struct file *file)
{
	struct timerfd_ctx *t = BPF_CORE_READ(file, private_data);
	struct hrtimer *timer = __builtin_preserve_access_index(&t->t.tmr);
	struct file_timer r = {
		.head = { REC_FILE_TIMER, sizeof(r) },
		.file = (__u64)file,
	};
	__s64 left;

	r.clock = BPF_CORE_READ(t, clockid);
	r.flags = BPF_CORE_READ(t, settime_flags);
	r.ticks = BPF_CORE_READ(t, ticks);
	r.interval = BPF_CORE_READ(t, tintv);
	left = BPF_CORE_READ(timer, node.expires);
	if (BPF_CORE_READ(timer, state)) {
		r.value = hrtimer_left(timer);
	} else if (r.ticks && r.interval > 0) {
		/* Expired and not read: the kernel counts the ticks and starts it anew at the read. */
		__s64 late = (__s64)bpf_ktime_get_ns() + BPF_CORE_READ(timer, base, offset) - left;
		__u64 n = late > 0 ? (__u64)late / (__u64)r.interval : 0;

		r.ticks += n;
		r.value = left + (__s64)((n + 1) * r.interval) - (__s64)bpf_ktime_get_ns() - BPF_CORE_READ(timer, base, offset);
	}
	return emit_file_timer(seq, &r);
}

#define EPOLL_MOST 262144 /* watches */
#define EPOLL_DEPTH 64

struct epoll_walk {
	struct seq_file *seq;
	__u64 file;
	struct rb_node *node;
	struct rb_node *root;
};

/* The parent's address is in a word with the colour bits, at the node's start. */
static __always_inline struct rb_node *rb_parent_of(struct rb_node *n)
{
	unsigned long word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), n);
	return (void *)(word & ~3UL);
}

struct rb_step {
	struct rb_node *n, *from;
};

static long rb_down(__u32 i, struct rb_step *s)
{
	struct rb_node *n = s->n, *left = BPF_CORE_READ(n, rb_left);

	if (!left)
		return 1;
	s->n = left;
	return 0;
}

static long rb_up(__u32 i, struct rb_step *s)
{
	struct rb_node *parent = rb_parent_of(s->n);

	s->from = s->n;
	s->n = parent;
	if (!parent || BPF_CORE_READ(parent, rb_right) != s->from)
		return 1;
	return 0;
}

/* The in-order successor. */
static __always_inline struct rb_node *rb_next_of(struct rb_node *n)
{
	struct rb_step s = { .n = BPF_CORE_READ(n, rb_right) };

	if (s.n) {
		bpf_loop(EPOLL_DEPTH, rb_down, &s, 0);
		return s.n;
	}
	s.n = n;
	bpf_loop(EPOLL_DEPTH, rb_up, &s, 0);
	return s.n;
}

static long epoll_step(__u32 i, struct epoll_walk *w)
{
	struct file_watch r = { .head = { REC_FILE_WATCH, sizeof(r) } };
	struct epitem *e;
	struct file *target;

	if (!w->node)
		return 1;
	e = (void *)w->node - bpf_core_field_offset(struct epitem, rbn);
	r.file = w->file;
	target = BPF_CORE_READ(e, ffd.file);
	r.target = (__u64)target;
	r.fd = BPF_CORE_READ(e, ffd.fd);
	r.events = BPF_CORE_READ(e, event.events);
	r.data = BPF_CORE_READ(e, event.data);
	r.ino = BPF_CORE_READ(target, f_inode, i_ino);
	r.dev = BPF_CORE_READ(target, f_inode, i_sb, s_dev);
	r.pos = BPF_CORE_READ(target, f_pos);
	emit_file_watch(w->seq, &r);
	w->node = rb_next_of(w->node);
	return 0;
}

static __noinline int emit_epoll(struct seq_file *seq, struct file *file)
{
	struct eventpoll *ep = BPF_CORE_READ(file, private_data);
	struct epoll_walk w = { .seq = seq, .file = (__u64)file };

	w.node = BPF_CORE_READ(ep, rbr.rb_leftmost);
	if (w.node)
		bpf_loop(EPOLL_MOST, epoll_step, &w, 0);
	return 0;
}

/* Names of anonymous inodes, eight characters as a little-endian word. */
#define NAME8(a, b, c, d, e, f, g, h)                                                                             \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 | \
	 (__u64)(g) << 48 | (__u64)(h) << 56)

static __always_inline void emit_anon(struct seq_file *seq, struct file *file, __u64 name)
{
	void *p = BPF_CORE_READ(file, private_data);

	switch (name) {
	case NAME8('[', 'e', 'v', 'e', 'n', 't', 'f', 'd'):
		emit_value(seq, (__u64)file, REC_FILE_EVENTFD, BPF_CORE_READ((struct eventfd_ctx *)p, count),
			   BPF_CORE_READ((struct eventfd_ctx *)p, flags));
		break;
	case NAME8('[', 'e', 'v', 'e', 'n', 't', 'p', 'o'):
		emit_epoll(seq, file);
		break;
	case NAME8('[', 's', 'i', 'g', 'n', 'a', 'l', 'f'):
		/* the kernel keeps what it does not take */
		emit_value(seq, (__u64)file, REC_FILE_SIGNALFD, ~BPF_CORE_READ((struct signalfd_ctx *)p, sigmask.sig[0]), 0);
		break;
	case NAME8('[', 't', 'i', 'm', 'e', 'r', 'f', 'd'):
		emit_timerfd(seq, file);
		break;
	}
}

static __always_inline int emit_socket(struct seq_file *seq, struct file *file, struct file_socket *r)
{
	struct socket *so = BPF_CORE_READ(file, private_data), *peer_so;
	struct sock *sk = BPF_CORE_READ(so, sk), *peer;
	struct unix_sock *u = (void *)sk;
	struct unix_address *addr;

	if (!sk)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->head.type = REC_FILE_SOCKET;
	r->head.len = sizeof(*r);
	r->file = (__u64)file;
	r->object = (__u64)sk;
	r->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	r->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	r->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	r->reuse = BPF_CORE_READ_BITFIELD_PROBED(&sk->__sk_common, skc_reuse);
	r->reuseport = BPF_CORE_READ_BITFIELD_PROBED(&sk->__sk_common, skc_reuseport);
	r->type = BPF_CORE_READ(sk, sk_type);
	r->protocol = BPF_CORE_READ(sk, sk_protocol);
	r->sk_flags = BPF_CORE_READ(sk, __sk_common.skc_flags);
	r->sock_flags = BPF_CORE_READ(so, flags);
	r->rcvtimeo = BPF_CORE_READ(sk, sk_rcvtimeo);
	r->sndtimeo = BPF_CORE_READ(sk, sk_sndtimeo);
	r->linger = BPF_CORE_READ(sk, sk_lingertime);
	r->shutdown = BPF_CORE_READ(sk, sk_shutdown);
	r->backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
	r->sndbuf = BPF_CORE_READ(sk, sk_sndbuf);
	r->rcvbuf = BPF_CORE_READ(sk, sk_rcvbuf);
	r->rcvlowat = BPF_CORE_READ(sk, sk_rcvlowat);
	r->priority = BPF_CORE_READ(sk, sk_priority);
	r->mark = BPF_CORE_READ(sk, sk_mark);
	r->userlocks = BPF_CORE_READ(sk, sk_userlocks);
	r->queued = BPF_CORE_READ(sk, sk_receive_queue.qlen);
	if (r->family != 1) /* AF_UNIX */
		return emit_file_socket(seq, r);
	peer = BPF_CORE_READ(u, peer);
	r->peer = (__u64)peer;
	peer_so = peer ? BPF_CORE_READ(peer, sk_socket) : 0;
	r->peer_ino = peer_so ? BPF_CORE_READ(peer_so, file, f_inode, i_ino) : 0;
	addr = BPF_CORE_READ(u, addr);
	if (addr) {
		r->name_len = BPF_CORE_READ(addr, len);
		bpf_probe_read_kernel(r->name, 110, (void *)addr + bpf_core_type_size(struct unix_address));
	}
	return emit_file_socket(seq, r);
}

#endif
