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

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

struct pid {
	unsigned int level;
	struct hlist_head tasks[4];
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

struct vm_special_mapping {
	const char *name;
};

struct anon_vma_name {
	char name[1];
};

struct anon_vma {
	struct anon_vma *parent;
	unsigned long num_children;
};

struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct anon_vma *anon_vma;
	const void *vm_ops;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
	void *vm_private_data;
	struct {
		struct {
			void *rb_left;
		} rb;
	} shared;
	struct anon_vma_name *anon_name;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	void *vdso;
} mm_context_t;

struct kioctx_table;

struct mm_struct {
	atomic_t membarrier_state;
	unsigned long start_code, end_code, start_data, end_data;
	unsigned long start_brk, brk, start_stack;
	unsigned long arg_start, arg_end, env_start, env_end;
	unsigned long def_flags; /* VM_* of mappings to come */
	unsigned long saved_auxv[46];
	struct kioctx_table *ioctx_table;
	struct file *exe_file;
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

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	__u8 s6_addr[16];
};

struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	unsigned short skc_family;
	unsigned char skc_state;
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
	unsigned char skc_ipv6only : 1;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
	unsigned long skc_flags;
	int skc_bound_dev_if;
};

struct sk_buff {
	struct sk_buff *next;
	char cb[48];
	unsigned int len;
};

struct sk_buff_head {
	struct sk_buff *next;
	__u32 qlen;
};

struct unix_skb_parms {
	void *fp;
	__u32 consumed;
};

struct sock {
	struct sock_common __sk_common;
	struct sk_buff_head sk_receive_queue;
	__u8 sk_userlocks;
	int sk_rcvbuf, sk_rcvlowat, sk_sndbuf, sk_peek_off;
	long sk_rcvtimeo, sk_sndtimeo;
	struct socket *sk_socket;
	__u32 sk_priority, sk_mark;
	__u16 sk_protocol, sk_type;
	__u8 sk_shutdown;
	unsigned long sk_lingertime;
	__u32 sk_max_ack_backlog, sk_ack_backlog;
	__u8 sk_no_check_tx : 1;
	__u32 sk_tsflags; /* 16 bits before v6.6: read with BPF_CORE_READ_BITFIELD_PROBED */
	struct sk_filter *sk_filter;
	struct sock_reuseport *sk_reuseport_cb;
};

struct sock_reuseport {
	void *prog;
};

struct sk_filter {
	struct bpf_prog *prog;
};

enum sock_flags {
	SOCK_DEAD = 0,
	SOCK_DONE = 1,
	SOCK_URGINLINE = 2,
	SOCK_KEEPOPEN = 3,
	SOCK_LINGER = 4,
	SOCK_BROADCAST = 6,
	SOCK_RCVTSTAMP = 11,
	SOCK_LOCALROUTE = 13,
	SOCK_RXQ_OVFL = 17,
	SOCK_WIFI_STATUS = 19,
	SOCK_NOFCS = 20,
	SOCK_FILTER_LOCKED = 21,
	SOCK_TXTIME = 24,
	SOCK_RCVMARK = 27,
	SOCK_RCVPRIORITY = 28,
};

struct ipv6_pinfo {
	struct in6_addr saddr;
	union {
		struct {
			__u16 rxinfo : 1;
		} bits;
		__u16 all;
	} rxopt;
	void *ipv6_mc_list, *ipv6_ac_list;
};

struct inet_sock {
	struct sock sk;
	struct ipv6_pinfo *pinet6;
	__be32 inet_saddr;
	__s16 uc_ttl;
	__be16 inet_sport;
	void *inet_opt, *mc_list;
	__u8 tos;
};

struct icmp_filter {
	__u32 data;
};

struct icmp6_filter {
	__u32 data[8];
};

struct raw_sock {
	struct icmp_filter filter;
};

struct raw6_sock {
	__u32 checksum;
	struct icmp6_filter filter;
};

struct udp_sock {
	int pending;
	__u8 encap_type;
};

struct inet_connection_sock {
	void *icsk_ulp_ops;
};

struct tcp_options_received {
	__u16 tstamp_ok : 1;
	__u16 wscale_ok : 1;
	__u16 sack_ok : 3;
	__u16 snd_wscale : 4;
	__u16 rcv_wscale : 4;
	__u16 mss_clamp;
};

struct tcp_sock {
	__u32 rcv_nxt, copied_seq, rcv_wnd, rcv_wup;
	__u32 snd_una, snd_nxt, write_seq, snd_wl1, snd_wnd, max_window;
	__u32 tsoffset, urg_seq;
	__u16 urg_data;
	__u8 repair : 1;
	struct tcp_options_received rx_opt;
	__u8 nonagle : 4;
	__u8 keepalive_probes;
	unsigned int keepalive_time, keepalive_intvl;
};

struct socket {
	struct file *file;
	struct sock *sk;
	unsigned long flags;
};

struct unix_address {
	int len;
};

struct scm_stat {
	atomic_t nr_fds;
};

struct unix_sock {
	struct sock sk;
	struct unix_address *addr;
	struct path path;
	struct sock *peer;
	struct scm_stat scm_stat;
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

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

struct netlink_sock {
	struct sock sk;
	unsigned long flags;
	__u32 portid, dst_portid, dst_group, subscriptions;
	unsigned long *groups;
	bool cb_running;
};

struct pgv {
	char *buffer;
};

struct tpacket_kbdq_core {
	unsigned int feature_req_word;
	unsigned int blk_sizeof_priv; /* 16 bits in older kernels: read with BPF_CORE_READ_BITFIELD_PROBED */
	__u64 knxt_seq_num; /* of the block after the one that is being filled, from 1 */
};

struct packet_ring_buffer {
	struct pgv *pg_vec;
	unsigned int head, frame_size, frame_max;
	unsigned int pg_vec_pages, pg_vec_len; /* pages a block, blocks */
	union {
		struct tpacket_kbdq_core prb_bdqc;
	};
};

struct packet_fanout {
	__u32 max_num_members;
	__u16 id;
	__u8 type, flags;
	union {
		struct bpf_prog *bpf_prog;
	};
};

struct packet_mclist {
	struct packet_mclist *next;
	int ifindex, count;
	unsigned short type, alen;
	unsigned char addr[32];
};

struct packet_type {
	bool ignore_outgoing;
};

enum packet_sock_flags {
	PACKET_SOCK_ORIGDEV,
	PACKET_SOCK_AUXDATA,
	PACKET_SOCK_TX_HAS_OFF,
	PACKET_SOCK_TP_LOSS,
	PACKET_SOCK_HAS_VNET_HDR,
	PACKET_SOCK_RUNNING,
	PACKET_SOCK_QDISC_BYPASS,
};

enum tpacket_versions {
	TPACKET_V1,
	TPACKET_V2,
	TPACKET_V3,
};

struct packet_sock {
	struct sock sk;
	struct packet_fanout *fanout;
	struct packet_ring_buffer rx_ring, tx_ring;
	int copy_thresh, ifindex;
	unsigned long flags;
	__be16 num;
	struct packet_mclist *mclist;
	enum tpacket_versions tp_version;
	unsigned int tp_reserve, tp_tstamp;
	struct packet_type prot_hook;
};

#pragma clang attribute pop

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#endif
