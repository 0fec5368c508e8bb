/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What an inotify instance watches. */
#ifndef FASTCR_FILE_INOTIFY_H
#define FASTCR_FILE_INOTIFY_H

#include "file_list.h"

DEFINE_EMIT(file_mark)

#define MARKS_FIRST 200
#define MARKS_MORE 500

static __always_inline void emit_mark(struct seq_file *seq, struct list_walk *w, struct fsnotify_mark *m)
{
	struct file_mark r = { .head = { REC_FILE_MARK, sizeof(r) }, .file = w->file };
	struct inotify_inode_mark *im = (void *)m - bpf_core_field_offset(struct inotify_inode_mark, fsn_mark);
	struct inode *inode = mark_inode(BPF_CORE_READ(m, connector));

	if (!inode)
		return; /* the watched file goes */
	r.item = (__u64)m;
	r.wd = BPF_CORE_READ(im, wd);
	r.mask = BPF_CORE_READ(m, mask);
	r.flags = BPF_CORE_READ(m, flags);
	r.ino = BPF_CORE_READ(inode, i_ino);
	r.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	emit_file_mark(seq, &r);
	w->n++;
}

static long inotify_step(__u32 i, struct list_ctx *c)
{
	struct list_walk *w = c->w;
	struct fsnotify_mark *m;
	__u64 next;

	if (w->next == w->head || w->n >= w->most)
		return 1;
	m = (void *)w->next - bpf_core_field_offset(struct fsnotify_mark, g_list);
	next = (__u64)BPF_CORE_READ(m, g_list.next);
	if ((__u64)BPF_CORE_READ(m, group) != w->object || next == w->next || !next) {
		w->changed = LIST_CHANGED; /* somebody took the watch away just now */
		return 1;
	}
	w->next = next;
	emit_mark(c->seq, w, m);
	return 0;
}

/* Emits at most most watches, from the list entry next on. */
static __noinline int emit_inotify(struct seq_file *seq, struct list_walk *w, __u64 next, __u64 most)
{
	struct list_ctx c = { .seq = seq, .w = w };
	struct fsnotify_group *group;
	struct list_head *head;
	struct file *file;

	if (!w)
		return 0;
	file = (void *)w->file;
	group = BPF_CORE_READ(file, private_data);
	head = __builtin_preserve_access_index(&group->marks_list);
	w->object = (__u64)group;
	w->head = (__u64)head;
	w->next = next ? next : (__u64)BPF_CORE_READ(head, next);
	w->n = w->changed = 0;
	w->most = most;
	if (w->next != w->head)
		bpf_loop(LIST_STEPS, inotify_step, &c, 0);
	list_more(seq, w, REC_FILE_MARK, w->next == w->head ? 0 : w->next, 0);
	return 0;
}

#endif
