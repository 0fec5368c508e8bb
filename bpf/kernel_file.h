/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What open files are: terminals, event files, watches, locks. */
#ifndef FASTCR_KERNEL_FILE_H
#define FASTCR_KERNEL_FILE_H

#include "kernel_task.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

enum pid_type {
	PIDTYPE_MAX = 4,
};

enum tty_driver_type {
	TTY_DRIVER_TYPE_PTY = 4,
};

enum tty_driver_subtype {
	PTY_TYPE_MASTER = 1,
};

struct fown_struct {
	struct pid *pid;
	enum pid_type pid_type;
	kuid_t uid, euid;
	int signum;
};

struct pipe_buffer {
	unsigned int len;
	unsigned int flags;
};

struct pipe_inode_info {
	unsigned int head, tail, max_usage, ring_size, readers, writers;
	struct pipe_buffer *bufs;
};

struct ktermios {
	__u32 c_iflag, c_oflag, c_cflag, c_lflag;
	unsigned char c_line, c_cc[19];
	__u32 c_ispeed, c_ospeed;
};

struct winsize {
	__u16 ws_row, ws_col, ws_xpixel, ws_ypixel;
};

struct tty_driver {
	int major, minor_start;
	enum tty_driver_type type;
	enum tty_driver_subtype subtype;
};

struct tty_struct {
	int index;
	struct tty_driver *driver;
	struct ktermios termios, termios_locked;
	unsigned long flags;
	int count;
	struct winsize winsize;
	struct {
		struct pid *pgrp, *session;
		bool packet;
	} ctrl;
	struct tty_struct *link;
	struct list_head tty_files;
	void *disc_data;
	struct tty_port *port;
};

struct tty_buffer {
	int commit, read; /* bytes */
};

struct tty_port {
	struct {
		struct tty_buffer *head, *tail;
	} buf;
};

/* What a terminal with the usual line discipline has in disc_data. */
struct n_tty_data {
	__u64 read_head, read_tail, canon_head;
	__u8 read_buf[4096];
	unsigned long read_flags[4096 / 64];
};

/* With the values of the macros that they were before v6.15; bpf_core_enum_value has the others. */
enum tty_struct_flags {
	TTY_EXCLUSIVE = 3,
	TTY_PTY_LOCK = 16,
};

struct tty_file_private {
	struct tty_struct *tty;
	struct file *file;
};

struct eventfd_ctx {
	__u64 count;
	unsigned int flags;
};

struct signalfd_ctx {
	sigset_t sigmask;
};

struct timerfd_ctx {
	union {
		struct hrtimer tmr;
		struct alarm alarm;
	} t;
	__s64 tintv;
	__u64 ticks;
	int clockid;
	unsigned short expired, settime_flags;
};

struct rb_node {
	unsigned long __rb_parent_color;
	struct rb_node *rb_right, *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct rb_root_cached {
	struct rb_root rb_root;
	struct rb_node *rb_leftmost;
};

struct eventpoll {
	struct rb_root_cached rbr;
};

struct epoll_filefd {
	struct file *file;
	int fd;
} __attribute__((packed));

struct epoll_event {
	__u32 events;
	__u64 data;
} __attribute__((packed));

struct epitem {
	struct rb_node rbn;
	struct epoll_filefd ffd;
	struct eventpoll *ep;
	struct epoll_event event;
};

struct fanotify_group_private_data {
	int flags, f_flags; /* of fanotify_init(2) */
};

struct fsnotify_group {
	unsigned int q_len; /* events */
	struct list_head marks_list;
	union {
		struct fanotify_group_private_data fanotify_data;
	};
};

struct fsnotify_mark_connector {
	unsigned char type; /* enum fsnotify_obj_type */
	void *obj;
};

struct fsnotify_mark {
	__u32 mask;
	struct fsnotify_group *group;
	struct list_head g_list;
	struct fsnotify_mark_connector *connector;
	__u32 ignore_mask;
	unsigned int flags;
};

struct inotify_inode_mark {
	struct fsnotify_mark fsn_mark;
	int wd;
};

struct shmem_inode_info {
	unsigned int seals;
	struct inode vfs_inode;
};

struct hugetlbfs_inode_info {
	struct inode vfs_inode;
	unsigned int seals;
};

struct file_lock_context {
	struct list_head flc_flock, flc_posix, flc_lease;
};

struct file_lock_core {
	struct list_head flc_list;
	void *flc_owner;
	unsigned int flc_flags;
	unsigned char flc_type;
	int flc_pid;
	struct file *flc_file;
};

struct file_lock {
	__s64 fl_start, fl_end;
};

#pragma clang attribute pop

#endif
