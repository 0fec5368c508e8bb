/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What an epoll instance watches: its red-black tree, in order. */
#ifndef FASTCR_FILE_EPOLL_H
#define FASTCR_FILE_EPOLL_H

#include "file_list.h"

DEFINE_EMIT(file_watch)

#define WATCHES_FIRST 160 /* with a path and locks below a seq_file's 32 KiB */
#define WATCHES_MORE 400

enum epoll_move {
	EPOLL_VISIT,
	EPOLL_DOWN, /* to the subtree's leftmost node */
	EPOLL_UP,   /* from a subtree that is done */
};

static __always_inline void emit_watch(struct seq_file *seq, struct list_walk *w, struct rb_node *node)
{
	struct file_watch r = { .head = { REC_FILE_WATCH, sizeof(r) }, .file = w->file };
	struct epitem *e = (void *)node - bpf_core_field_offset(struct epitem, rbn);
	struct inode *i;
	struct file *target;

	if ((__u64)BPF_CORE_READ(e, ep) != w->object) {
		w->changed = LIST_CHANGED;
		return;
	}
	target = BPF_CORE_READ(e, ffd.file);
	i = BPF_CORE_READ(target, f_inode);
	r.item = (__u64)e;
	r.target = (__u64)target;
	r.fd = BPF_CORE_READ(e, ffd.fd);
	r.events = BPF_CORE_READ(e, event.events);
	r.data = BPF_CORE_READ(e, event.data);
	r.ino = BPF_CORE_READ(i, i_ino);
	r.dev = BPF_CORE_READ(i, i_sb, s_dev);
	r.pos = BPF_CORE_READ(target, f_pos);
	emit_file_watch(seq, &r);
	w->n++;
}

/* One move; one loop of such moves is the whole walk. next is the node, 0 when all is done. */
static long epoll_step(__u32 i, struct list_ctx *c)
{
	struct list_walk *w = c->w;
	struct rb_node *n = (void *)w->next, *to;

	if (!n)
		return 1;
	switch (w->state) {
	case EPOLL_DOWN:
		to = BPF_CORE_READ(n, rb_left);
		if (to)
			w->next = (__u64)to;
		else
			w->state = EPOLL_VISIT;
		break;
	case EPOLL_VISIT:
		if (w->n >= w->most)
			return 1;
		emit_watch(c->seq, w, n);
		if (w->changed)
			return 1;
		to = BPF_CORE_READ(n, rb_right);
		w->state = to ? EPOLL_DOWN : EPOLL_UP;
		if (to)
			w->next = (__u64)to;
		break;
	default:
		/* the two lowest bits are the colour */
		to = (void *)(BPF_CORE_READ(n, __rb_parent_color) & ~3UL);
		if (to && BPF_CORE_READ(to, rb_left) == n)
			w->state = EPOLL_VISIT;
		w->next = (__u64)to;
	}
	return 0;
}

/* Emits at most most watches, from the node next on. */
static __noinline int emit_epoll(struct seq_file *seq, struct list_walk *w, __u64 next, __u64 most)
{
	struct list_ctx c = { .seq = seq, .w = w };
	struct eventpoll *ep;
	struct file *file;

	if (!w)
		return 0;
	file = (void *)w->file;
	ep = BPF_CORE_READ(file, private_data);
	w->object = (__u64)ep;
	w->next = next ? next : (__u64)BPF_CORE_READ(ep, rbr.rb_leftmost);
	w->state = EPOLL_VISIT;
	w->n = w->changed = 0;
	w->most = most;
	if (w->next)
		bpf_loop(LIST_STEPS, epoll_step, &c, 0);
	if (w->next && w->state != EPOLL_VISIT)
		w->changed = LIST_CHANGED; /* a tree of more than a million is none */
	list_more(seq, w, REC_FILE_WATCH, w->next, 0);
	return 0;
}

#endif
