/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The path by which a program knows a mapped file of a stacked file system.
 * There vm_file is the file below (overlayfs maps its layers' files), and what
 * the program opened stands beside it. bpf_d_path takes no path from there, so
 * it is put together here, as d_path would.
 */
#ifndef FASTCR_USER_PATH_H
#define FASTCR_USER_PATH_H

#include "path.h"

/* v6.14 moved FMODE_BACKING from bit 25 to 24; such a file always has FMODE_NOACCOUNT, which no other mapped file has. */
#define FMODE_BACKING (1U << 24 | 1U << 25)
#define FMODE_NOACCOUNT (1U << 29)
#define NAME_SLACK 256 /* NAME_MAX and its slash, and room to pad */
#define PATH_DEPTH 2048
#define DELETED " (deleted)"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct backing_file {
	struct path user_path;
};

#pragma clang attribute pop

/* Since v6.5 (62d53c4a1dfe), with user_path since v6.7 (def3ae83da02): before, f_path was the program's. */
static __always_inline struct path *user_path(struct file *file)
{
	struct backing_file *b = (void *)file;
	__u32 mode = BPF_CORE_READ(file, f_mode);

	if (!bpf_core_field_exists(b->user_path) || !(mode & FMODE_NOACCOUNT) || !(mode & FMODE_BACKING))
		return 0;
	return (struct path *)__builtin_preserve_access_index(&b->user_path);
}

/*
 * Text is written from its end. Where it starts is kept in map memory, which
 * the verifier does not follow value by value.
 */
struct path_walk {
	char *text;   /* PATH_MOST + NAME_SLACK bytes */
	__u64 *place; /* in text */
	struct vfsmount *mnt, *root_mnt;
	struct dentry *dentry, *root;
	__u64 whole;
};

/* Locals, since BPF_CORE_READ would look for struct path_walk in the kernel. */
static long path_step(__u32 i, struct path_walk *w)
{
	struct dentry *dentry = w->dentry;
	struct vfsmount *mnt = w->mnt;
	struct mount *m = (void *)mnt - bpf_core_field_offset(struct mount, mnt), *up;
	__u64 len, place = *w->place;

	if (dentry == w->root && mnt == w->root_mnt) {
		w->whole = 1;
		return 1;
	}
	if (dentry == BPF_CORE_READ(mnt, mnt_root)) {
		up = BPF_CORE_READ(m, mnt_parent);
		if (up == m) {
			w->whole = 1; /* outside of the reader's root: from its mount's */
			return 1;
		}
		w->dentry = BPF_CORE_READ(m, mnt_mountpoint);
		w->mnt = (void *)up + bpf_core_field_offset(struct mount, mnt);
		return 0;
	}
	len = BPF_CORE_READ(dentry, d_name.len);
	if (!len || len >= NAME_SLACK || len + 1 > place || place > PATH_MOST)
		return 1;
	place -= len + 1;
	barrier_var(place);
	if (place >= PATH_MOST)
		return 1;
	w->text[place] = '/';
	barrier_var(len);
	if (len >= NAME_SLACK ||
	    bpf_probe_read_kernel(w->text + place + 1, len, BPF_CORE_READ(dentry, d_name.name)))
		return 1;
	*w->place = place;
	w->dentry = BPF_CORE_READ(dentry, d_parent);
	return 0;
}

/* Like fill_text, for any path. buf is PATH_MOST + NAME_SLACK bytes, and like start in map memory. */
static __always_inline __u64 fill_user_text(struct path_info *r, char *buf, __u64 *start, struct path *path)
{
	struct task_struct *cur = plain(struct task_struct, bpf_get_current_task_btf());
	struct path_walk w = {
		.text = buf, .place = start, .mnt = BPF_CORE_READ(path, mnt), .dentry = BPF_CORE_READ(path, dentry),
		.root_mnt = cur->fs->root.mnt, .root = cur->fs->root.dentry,
	};
	__u64 len;

	r->len = 0;
	*start = PATH_MOST;
	if (r->unlinked) {
		*start -= sizeof(DELETED) - 1;
		__builtin_memcpy(buf + PATH_MOST - sizeof(DELETED) + 1, DELETED, sizeof(DELETED) - 1);
	}
	bpf_loop(PATH_DEPTH, path_step, &w, 0);
	len = PATH_MOST - *start;
	barrier_var(len);
	if (!w.whole || !len || len > PATH_MOST)
		return 0;
	/* To the start; it moves to lower addresses, so that overlapping does no harm. */
	if (bpf_probe_read_kernel(buf, len, buf + PATH_MOST - len))
		return 0;
	r->len = len;
	len = (len + 7) & ~7ULL;
	barrier_var(len);
	return len > PATH_MOST ? 0 : len;
}

#endif
