/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Locks and leases that were taken with a file: those of its inode, sifted. */
#ifndef FASTCR_FILE_LOCK_H
#define FASTCR_FILE_LOCK_H

#include "file_list.h"

DEFINE_EMIT(file_lock_rec)

#define FL_POSIX 1
#define FL_FLOCK 2
#define FL_LEASE 32
#define FL_OFDLCK 1024

#define LOCKS_FIRST 96
#define LOCKS_MORE 320
#define LOCK_LISTS 3

/* object is the inode's file_lock_context, state the number of the list in it. */
static __always_inline void lock_list(struct list_walk *w)
{
	struct file_lock_context *c = (void *)w->object;
	struct list_head *head = __builtin_preserve_access_index(&c->flc_flock);

	if (w->state == 1)
		head = __builtin_preserve_access_index(&c->flc_posix);
	if (w->state == 2)
		head = __builtin_preserve_access_index(&c->flc_lease);
	w->head = (__u64)head;
	w->next = (__u64)BPF_CORE_READ(head, next);
}

static __always_inline __u32 lock_class(__u32 flags)
{
	if (flags & FL_FLOCK)
		return LOCK_CLASS_FLOCK;
	if (flags & FL_OFDLCK)
		return LOCK_CLASS_OFD;
	if (flags & FL_POSIX)
		return LOCK_CLASS_POSIX;
	return flags & FL_LEASE ? LOCK_CLASS_LEASE : 0;
}

static __always_inline void emit_lock(struct seq_file *seq, struct list_walk *w, void *lock)
{
	struct file_lock_rec r = { .head = { REC_FILE_LOCK, sizeof(r) }, .file = w->file, .item = (__u64)lock };
	struct file_lock *l = lock;
	struct lock_common c;

	lock_common(lock, &c);
	r.class = lock_class(c.flags);
	if (!r.class || (__u64)c.file != w->file)
		return;
	if (r.class == LOCK_CLASS_POSIX && (__u64)c.owner != w->table)
		return; /* it is the table's that the file was inherited from */
	r.owner = (__u64)c.owner;
	r.flags = c.flags;
	r.type = c.type;
	r.pid = c.pid == w->raw_tgid ? w->tgid : 0;
	if (r.class == LOCK_CLASS_POSIX || r.class == LOCK_CLASS_OFD) {
		r.start = BPF_CORE_READ(l, fl_start);
		r.end = BPF_CORE_READ(l, fl_end);
	} else {
		r.end = ~0ULL >> 1;
	}
	emit_file_lock_rec(seq, &r);
	w->n++;
}

static long lock_step(__u32 i, struct list_ctx *c)
{
	struct list_walk *w = c->w;
	struct list_head *at = (void *)w->next;

	if (w->next == w->head || !at) {
		if (++w->state >= LOCK_LISTS)
			return 1;
		lock_list(w);
		return 0;
	}
	if (w->n >= w->most)
		return 1;
	w->next = (__u64)BPF_CORE_READ(at, next);
	if (w->place++ >= w->skip)
		emit_lock(c->seq, w, lock_of_link(at));
	return 0;
}

/* Emits at most most locks, from place skip of the inode's lists on. */
static __noinline int emit_locks(struct seq_file *seq, struct list_walk *w, __u64 skip, __u64 most)
{
	struct list_ctx c = { .seq = seq, .w = w };
	struct file *file;

	if (!w)
		return 0;
	file = (void *)w->file;
	w->object = (__u64)BPF_CORE_READ(file, f_inode, i_flctx);
	w->state = w->changed = 0;
	w->place = w->n = 0;
	w->skip = skip;
	w->most = most;
	if (w->object) {
		lock_list(w);
		bpf_loop(LIST_STEPS, lock_step, &c, 0);
	}
	list_more(seq, w, REC_FILE_LOCK, 0, w->object && w->state < LOCK_LISTS ? w->place : 0);
	return 0;
}

#endif
