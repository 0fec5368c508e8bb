/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Inodes, paths, mounts, open files. */
#ifndef FASTCR_KERNEL_FS_H
#define FASTCR_KERNEL_FS_H

#include "kernel_types.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct qstr {
	__u32 len;
	const unsigned char *name;
};

struct hlist_bl_node {
	struct hlist_bl_node *next, **pprev;
};

struct dentry;

struct super_block {
	__u32 s_dev;
	struct dentry *s_root;
	unsigned long s_blocksize; /* bytes */
	unsigned long s_magic;
};

struct pipe_inode_info;
struct file_lock_context;
struct fsnotify_mark_connector;

struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
	__u32 i_rdev;
	__s64 i_size;
	struct pipe_inode_info *i_pipe;
	struct file_lock_context *i_flctx;
	struct fsnotify_mark_connector *i_fsnotify_marks;
	struct hlist_head i_dentry;
	void *i_private;
};

/* An inode of /proc; pid is whose file it is. */
struct proc_inode {
	struct pid *pid;
	struct inode vfs_inode;
};

struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	union {
		struct hlist_node d_alias;
	} d_u;
};

struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	int mnt_id;
	struct fsnotify_mark_connector *mnt_fsnotify_marks;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file_operations {
	void *open, *splice_read;
};

struct file {
	unsigned int f_mode;
	const struct file_operations *f_op;
	void *private_data;
	struct inode *f_inode;
	unsigned int f_flags;
	struct path f_path;
	__s64 f_pos;
};

#pragma clang attribute pop

#endif
