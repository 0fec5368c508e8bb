/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What an inotify or a fanotify instance watches. */
#ifndef FASTCR_FILE_INOTIFY_H
#define FASTCR_FILE_INOTIFY_H

#include "file_list.h"
#include "path.h"

DEFINE_EMIT(file_mark)
DEFINE_EMIT(file_fanotify)

/* enum fsnotify_obj_type */
#define MARK_ON_INODE 0
#define MARK_ON_MOUNT 1

#define NAME_MOST 256 /* bytes, NAME_MAX and a final 0 */
#define NAMES_MOST 1024 /* directories deep */
#define ALIASES_MOST 16

/* Bytes a call, after which one more mark with its names fits. */
#define MARKS_FIRST 16000
#define MARKS_MORE 28000

/* One name, and to the directory that it is in. */
static long name_step(__u32 i, struct list_ctx *c)
{
	struct list_walk *w = c->w;
	struct dentry *d = (void *)w->at, *parent = BPF_CORE_READ(d, d_parent);
	const unsigned char *name = BPF_CORE_READ(d, d_name.name);
	__u64 len = w->len;
	long n;

	barrier_var(len); /* v6.1 forgets what it knew of a value that was spilled */
	if (parent == d || !parent || len > PATH_MOST - NAME_MOST)
		return 1;
	n = bpf_probe_read_kernel_str(c->text + len, NAME_MOST, name);
	if (n <= 0)
		return 1;
	w->len = len + n;
	w->at = (__u64)parent;
	return 0;
}

/* To a name that is not deleted. */
static long alias_step(__u32 i, struct list_ctx *c)
{
	struct dentry *d = (void *)c->w->at;

	if (!d || BPF_CORE_READ(d, d_hash.pprev) || BPF_CORE_READ(d, d_parent) == d)
		return 1;
	c->w->at = (__u64)BPF_CORE_READ(d, d_u.d_alias.next);
	if (c->w->at)
		c->w->at -= bpf_core_field_offset(struct dentry, d_u.d_alias);
	return 0;
}

/* The names of an inode into text; false when it has none that leads to the root. */
static __always_inline bool read_names(struct list_ctx *c, struct inode *inode)
{
	struct list_walk *w = c->w;

	w->len = 0;
	w->at = (__u64)BPF_CORE_READ(inode, i_dentry.first);
	if (!w->at)
		return false;
	w->at -= bpf_core_field_offset(struct dentry, d_u.d_alias);
	bpf_loop(ALIASES_MOST, alias_step, c, 0);
	if (!w->at)
		return false;
	bpf_loop(NAMES_MOST, name_step, c, 0);
	return w->at == (__u64)BPF_CORE_READ(inode, i_sb, s_root);
}

static __always_inline void emit_mark(struct list_ctx *c, struct fsnotify_mark *m)
{
	struct list_walk *w = c->w;
	struct file_mark r = { .head = { REC_FILE_MARK, sizeof(r) }, .file = w->file };
	struct inotify_inode_mark *im = (void *)m - bpf_core_field_offset(struct inotify_inode_mark, fsn_mark);
	struct fsnotify_mark_connector *conn = BPF_CORE_READ(m, connector);
	struct inode *inode = 0;
	struct mount *mount = 0;
	__u64 size = 0;

	r.type = BPF_CORE_READ(conn, type);
	if (r.type == MARK_ON_INODE)
		inode = mark_inode(conn);
	else if (r.type == MARK_ON_MOUNT)
		mount = mark_mount(conn);
	if (r.type <= MARK_ON_MOUNT && !inode && !mount)
		return; /* what is watched goes */
	r.item = (__u64)m;
	r.wd = BPF_CORE_READ(im, wd); /* an inotify's */
	r.mask = BPF_CORE_READ(m, mask);
	r.ignored = mark_ignored(m);
	r.flags = BPF_CORE_READ(m, flags);
	r.queued = BPF_CORE_READ(m, group, q_len);
	if (mount) {
		r.mnt_id = BPF_CORE_READ(mount, mnt_id);
		r.dev = BPF_CORE_READ(mount, mnt.mnt_sb, s_dev);
	}
	if (inode) {
		r.ino = BPF_CORE_READ(inode, i_ino);
		r.nlink = BPF_CORE_READ(inode, i_nlink);
		r.dev = BPF_CORE_READ(inode, i_sb, s_dev);
		r.named = read_names(c, inode);
	}
	if (r.named) {
		r.names_len = w->len;
		size = (w->len + 7) & ~7ULL;
	}
	r.head.len = sizeof(r) + size;
	emit_file_mark(c->seq, &r);
	barrier_var(size);
	if (r.named && size <= PATH_MOST)
		bpf_seq_write(c->seq, c->text, size);
	w->n += sizeof(r) + size;
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
	emit_mark(c, m);
	return 0;
}

/* What a fanotify instance is; its marks follow. */
static __noinline int emit_fanotify(struct seq_file *seq, struct file *file)
{
	struct file_fanotify r = { .head = { REC_FILE_FANOTIFY, sizeof(r) }, .file = (__u64)file };
	struct fsnotify_group *g = BPF_CORE_READ(file, private_data);

	r.flags = BPF_CORE_READ(g, fanotify_data.flags);
	r.event_flags = BPF_CORE_READ(g, fanotify_data.f_flags);
	r.queued = BPF_CORE_READ(g, q_len);
	return emit_file_fanotify(seq, &r);
}

/* Emits watches in about most bytes, from the list entry next on. */
static __noinline int emit_inotify(struct seq_file *seq, struct list_walk *w, char *text, __u64 next, __u64 most)
{
	struct list_ctx c = { .seq = seq, .w = w, .text = text };
	struct fsnotify_group *group;
	struct list_head *head;
	struct file *file;

	if (!w || !text)
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
