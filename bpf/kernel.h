/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fragments of kernel types that the programs read. Only the fields that
 * are used; CO-RE finds where the running kernel has them.
 */
#ifndef FASTCR_KERNEL_H
#define FASTCR_KERNEL_H

#include <stdbool.h>

/* The kernel's own names; no uapi header is included, so none is needed to build. */
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

/* uapi/linux/bpf.h */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_TASK_STORAGE = 29,

	BPF_F_NO_PREALLOC = 1,
	BPF_F_MMAPABLE = 1024,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
};

struct seq_file;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	unsigned int level;
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct list_head {
	struct list_head *next, *prev;
};

typedef struct {
	unsigned long sig[1];
} sigset_t;

struct sigpending {
	struct list_head list;
	sigset_t signal;
};

typedef struct kernel_siginfo {
	int si_signo;
} kernel_siginfo_t;

struct sigqueue {
	struct list_head list;
	int flags;
	kernel_siginfo_t info;
};

typedef struct {
	unsigned int val;
} kuid_t;

typedef struct {
	unsigned int val;
} kgid_t;

/* Read as 8 bytes: u32 cap[2] before v6.3 (f122a08b197d). */
typedef struct {
	__u64 val;
} kernel_cap_t;

struct group_info {
	int ngroups;
	kgid_t gid[0];
};

struct cred {
	kuid_t uid, suid, euid, fsuid;
	kgid_t gid, sgid, egid, fsgid;
	unsigned int securebits;
	kernel_cap_t cap_inheritable, cap_permitted, cap_effective, cap_bset, cap_ambient;
	struct group_info *group_info;
};

struct sock_fprog_kern {
	__u16 len;
	void *filter;
};

struct bpf_prog {
	struct sock_fprog_kern *orig_prog;
};

struct seccomp_filter {
	bool log;
	struct seccomp_filter *prev;
	struct bpf_prog *prog;
};

struct seccomp {
	int mode;
	struct seccomp_filter *filter;
};

struct restart_block {
	union {
		struct {
			int clockid;
			unsigned int type;
			void *rmtp;
			__u64 expires;
		} nanosleep;
	};
};

union fpregs_state {
	char __padding[1];
};

struct fpstate {
	unsigned int size;
	__u64 user_xfeatures;
	union fpregs_state regs;
};

struct fpu {
	struct fpstate *fpstate;
};

struct desc_struct {
	__u16 limit0;
};

struct thread_struct {
	struct desc_struct tls_array[3];
	unsigned short es, ds, fsindex, gsindex;
	unsigned long fsbase, gsbase;
	__u32 pkru;
};

struct signal_struct {
	struct sigpending shared_pending;
};

struct fs_struct;
struct files_struct;
struct sighand_struct;

struct task_struct {
	int pid;
	int tgid;
	struct pid *thread_pid;
	struct task_struct *group_leader;
	char comm[16];
	unsigned int __state;
	unsigned int ptrace;
	int static_prio;
	unsigned int rt_priority;
	unsigned int policy;
	int pdeath_signal;
	unsigned int restore_sigmask : 1;
	unsigned long atomic_flags;
	struct restart_block restart_block;
	int *clear_child_tid;
	const struct cred *real_cred;
	struct fs_struct *fs;
	struct files_struct *files;
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	sigset_t blocked;
	sigset_t saved_sigmask;
	struct sigpending pending;
	unsigned long sas_ss_sp;
	unsigned long sas_ss_size;
	unsigned int sas_ss_flags;
	struct seccomp seccomp;
	struct thread_struct thread;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

#pragma clang attribute pop

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#endif
