/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A path and what its inode says, for every program that names files. */
#ifndef FASTCR_PATH_H
#define FASTCR_PATH_H

#include "kernel.h"
#include "records.h"
#include "drift.h"

#define PATH_MOST 4096 /* bytes, PATH_MAX */

#define PROC_SUPER_MAGIC 0x9fa0

static __always_inline bool proc_gone(struct inode *inode)
{
	struct proc_inode *p = (void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
	struct pid *pid = BPF_CORE_READ(p, pid);

	return pid && !BPF_CORE_READ(pid, tasks[0].first); /* PIDTYPE_PID */
}

/* Fills what the inode and the mount say; not the text. */
static __always_inline void fill_inode(struct path_info *r, struct vfsmount *mnt,
				       struct dentry *dentry, struct inode *inode)
{
	struct inode *i = plain(struct inode, inode);
	struct dentry *d = plain(struct dentry, dentry);
	struct super_block *sb = i->i_sb;

	r->ino = i->i_ino;
	r->size = i->i_size;
	r->nlink = i->i_nlink;
	r->mode = i->i_mode;
	r->uid = i->i_uid.val;
	r->gid = i->i_gid.val;
	r->rdev = i->i_rdev;
	r->dev = sb->s_dev;
	r->magic = sb->s_magic;
	inode_times(inode, &r->atime, &r->mtime);
	/* d_unlinked(), and what never had a name (memfd): not hashed, and not a root */
	r->unlinked = !d->d_hash.pprev && (d->d_parent != d || !r->nlink);
	r->mnt_id = peek(struct mount, (void *)mnt - bpf_core_field_offset(struct mount, mnt), mnt_id);
	r->gone = r->magic == PROC_SUPER_MAGIC && proc_gone(inode);
}

/* Reads the text into buf; returns the bytes to write behind the record, a multiple of 8. */
static __always_inline __u64 fill_text(struct path_info *r, char *buf, struct path *trusted)
{
	long n = bpf_d_path(trusted, buf, PATH_MOST);
	__u64 len;

	r->len = 0;
	if (n <= 1)
		return 0;
	r->len = n - 1;
	len = ((__u64)n - 1 + 7) & ~7ULL;
	barrier_var(len);
	if (len > PATH_MOST)
		return 0;
	return len;
}

#endif
