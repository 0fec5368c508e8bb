/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Tasks: credentials, signals, timers, namespaces. */
#ifndef FASTCR_KERNEL_TASK_H
#define FASTCR_KERNEL_TASK_H

#include "kernel_mm.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

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

/* Read as 8 bytes: u32 cap[2] before v6.3 (f122a08b197d). */
typedef struct {
	__u64 val;
} kernel_cap_t;

struct user_namespace;

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
	struct user_namespace *user_ns;
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

struct rlimit {
	__u64 rlim_cur, rlim_max;
};

struct timerqueue_node {
	__s64 expires;
};

struct hrtimer;

struct hrtimer_clock_base {
	struct hrtimer *running; /* whose handler is at work */
	__s64 offset;
};

struct hrtimer {
	struct timerqueue_node node;
	struct hrtimer_clock_base *base;
	__u8 state;
};

struct cpu_itimer {
	__u64 expires, incr;
};

typedef struct {
	__s64 counter;
} atomic64_t;

struct task_cputime_atomic {
	atomic64_t utime, stime, sum_exec_runtime;
};

struct thread_group_cputimer {
	struct task_cputime_atomic cputime_atomic;
};

struct tty_struct;

struct signal_struct {
	int nr_threads;
	int group_exit_code;
	int group_stop_count;
	unsigned int flags;
	unsigned int is_child_subreaper : 1;
	struct hlist_head posix_timers; /* read by timers_first only */
	struct hrtimer real_timer;
	__s64 it_real_incr;
	struct cpu_itimer it[2];
	struct thread_group_cputimer cputimer;
	struct pid *pids[4];
	struct tty_struct *tty;
	struct rlimit rlim[16];
	short oom_score_adj;
	struct sigpending shared_pending;
};

struct fs_struct {
	int umask;
	struct path root, pwd;
};

struct k_sigaction {
	unsigned long sa[4];
};

struct sighand_struct {
	struct k_sigaction action[64];
};

struct uts_namespace {
	struct ns_common ns;
};

struct xarray {
	void *xa_head;
};

struct xa_node {
	unsigned char shift;
	void *slots[64];
};

struct idr {
	struct xarray idr_rt;
};

struct ipc_ids {
	struct idr ipcs_idr;
};

struct ipc_namespace {
	struct ipc_ids ids[3];
	struct ns_common ns;
};

struct kern_ipc_perm {
	int id;
};

struct sem_array {
	struct kern_ipc_perm sem_perm;
	int sem_nsems;
};

/* What the end of the threads that share the list undoes of a semaphore set. */
struct sem_undo {
	struct list_head list_proc;
	int semid;
	short semadj[0];
};

struct sem_undo_list {
	struct list_head list_proc;
};

struct sysv_sem {
	struct sem_undo_list *undo_list;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct net {
	struct ns_common ns;
};

struct time_namespace {
	struct ns_common ns;
};

struct cgroup_namespace {
	struct ns_common ns;
};

struct user_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
	struct net *net_ns;
	struct time_namespace *time_ns, *time_ns_for_children;
	struct cgroup_namespace *cgroup_ns;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

struct cpu_timer {
	struct timerqueue_node node;
	struct pid *pid;
};

struct alarm {
	struct timerqueue_node node;
	struct hrtimer timer;
};

struct k_itimer {
	struct hlist_node list;
	int it_id;
	int it_clock;
	int it_sigev_notify;
	__s64 it_overrun, it_overrun_last;
	__s64 it_interval;
	struct pid *it_pid;
	union {
		struct {
			struct hrtimer timer;
		} real;
		struct cpu_timer cpu;
		struct {
			struct alarm alarmtimer;
		} alarm;
	} it;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
	unsigned long *close_on_exec;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct {
	int pid;
	int tgid;
	struct pid *thread_pid;
	struct hlist_node pid_links[4];
	struct task_struct *group_leader;
	char comm[16];
	unsigned int __state;
	unsigned int flags;
	unsigned int ptrace;
	int exit_state, exit_code, exit_signal;
	unsigned long jobctl;
	unsigned int personality;
	struct mm_struct *mm;
	struct css_set *cgroups;
	struct completion *vfork_done;
	struct task_struct *real_parent, *parent; /* parent: the tracer of what is traced */
	struct nsproxy *nsproxy;
	kuid_t loginuid;
	__u64 utime, stime;
	struct sched_entity se;
	int static_prio;
	unsigned int rt_priority;
	unsigned int policy;
	int pdeath_signal;
	unsigned int restore_sigmask : 1;
	unsigned int sched_reset_on_fork : 1;
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
	struct sysv_sem sysvsem;
	struct thread_struct thread;
};

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

#pragma clang attribute pop

#endif
