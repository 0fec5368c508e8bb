/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Where kernels differ: one accessor a rename, with the commit that made it.
 */
#ifndef FASTCR_DRIFT_H
#define FASTCR_DRIFT_H

#include "kernel.h"

void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/*
 * A pointer whose fields are read directly. Each load through a trusted pointer
 * costs the verifier a search of BTF by name; through bpf_rdonly_cast's result
 * it does not. Kernels before v6.2 (a35b9af4ec2c) have no such cast: there the
 * pointer is used as it is.
 */
#define plain(type, ptr)                                                         \
	({                                                                       \
		void *__p = (void *)(ptr);                                       \
		if (bpf_rdonly_cast)                                             \
			__p = bpf_rdonly_cast(__p, bpf_core_type_id_kernel(type)); \
		(type *)__p;                                                     \
	})

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct thread_struct___embedded {
	struct fpu fpu;
};

struct task_struct___embedded {
	struct thread_struct___embedded thread;
};

struct task_struct___direct {
	void *robust_list;
	void *rseq;
	__u32 rseq_len, rseq_sig;
};

struct futex_sched_data {
	void *robust_list;
};

struct rseq_data {
	void *usrptr;
	__u32 len, sig;
};

struct task_struct___grouped {
	struct futex_sched_data futex;
	struct rseq_data rseq;
};

#pragma clang attribute pop

/* v6.16 (cb7ca40a3882) moved struct fpu out of thread_struct, to task_struct's end. */
static __always_inline struct fpu *task_fpu(void *task)
{
	struct task_struct___embedded *t = task;

	if (bpf_core_field_exists(t->thread.fpu))
		return (struct fpu *)__builtin_preserve_access_index(&t->thread.fpu);
	return task + bpf_core_type_size(struct task_struct);
}

/* v7.2 put robust_list into task_struct.futex. */
static __always_inline __u64 task_robust_list(void *task)
{
	struct task_struct___direct *d = task;
	struct task_struct___grouped *g = task;

	if (bpf_core_field_exists(d->robust_list))
		return (__u64)d->robust_list;
	return (__u64)g->futex.robust_list;
}

/*
 * A field of what any address is taken for: read directly where there is the
 * cast, for a fifth of the time.
 */
#define peek(type, ptr, field)                                                            \
	({                                                                               \
		typeof(((type *)0)->field) __v;                                          \
		if (bpf_rdonly_cast)                                                     \
			__v = ((type *)bpf_rdonly_cast(ptr, bpf_core_type_id_kernel(type)))->field; \
		else                                                                     \
			__v = BPF_CORE_READ((type *)(ptr), field);                       \
		__v;                                                                     \
	})

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

struct inode___seconds {
	__s64 i_atime_sec, i_mtime_sec;
	__u32 i_atime_nsec, i_mtime_nsec;
};

struct inode___underscored {
	struct timespec64 __i_atime, __i_mtime;
};

struct inode___plain {
	struct timespec64 i_atime, i_mtime;
};

#pragma clang attribute pop

#define NSEC 1000000000LL

/* v6.11 (3aa63a569c64) split the times into fields; v6.7 (12cd44023651) had underscored them. */
static __always_inline void inode_times(void *inode, __s64 *atime, __s64 *mtime)
{
	struct inode___seconds *s = plain(struct inode___seconds, inode);
	struct inode___underscored *u = inode;
	struct inode___plain *p = inode;

	if (bpf_core_field_exists(s->i_atime_sec)) {
		*atime = s->i_atime_sec * NSEC + s->i_atime_nsec;
		*mtime = s->i_mtime_sec * NSEC + s->i_mtime_nsec;
	} else if (bpf_core_field_exists(u->__i_atime)) {
		*atime = BPF_CORE_READ(u, __i_atime.tv_sec) * NSEC + BPF_CORE_READ(u, __i_atime.tv_nsec);
		*mtime = BPF_CORE_READ(u, __i_mtime.tv_sec) * NSEC + BPF_CORE_READ(u, __i_mtime.tv_nsec);
	} else {
		*atime = BPF_CORE_READ(p, i_atime.tv_sec) * NSEC + BPF_CORE_READ(p, i_atime.tv_nsec);
		*mtime = BPF_CORE_READ(p, i_mtime.tv_sec) * NSEC + BPF_CORE_READ(p, i_mtime.tv_nsec);
	}
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct tty_driver___short {
	short type, subtype;
};

struct file___pointer {
	struct fown_struct *f_owner;
};

struct file___embedded {
	struct fown_struct f_owner;
};

#pragma clang attribute pop

/* v6.12 (1934b212615d) made file.f_owner a pointer, which is null until somebody sets an owner. file is typed. */
static __always_inline struct fown_struct *file_owner(void *file)
{
	struct file___pointer *p = file;
	struct file___embedded *e = file;

	if (bpf_core_field_exists(p->f_owner))
		return p->f_owner;
	return (struct fown_struct *)__builtin_preserve_access_index(&e->f_owner);
}

/* v6.18 made the type and subtype of tty_driver enums; they were shorts. */
static __always_inline __u32 tty_subtype(void *driver)
{
	struct tty_driver___short *s = driver;
	struct tty_driver *d = driver;

	if (bpf_core_field_exists(s->subtype))
		return BPF_CORE_READ(s, subtype);
	return BPF_CORE_READ(d, subtype);
}

/* With that they were numbered from 0, not from 1: the old numbers. */
static __always_inline __u32 tty_type(void *driver)
{
	struct tty_driver___short *s = driver;
	struct tty_driver *d = driver;

	if (bpf_core_field_exists(s->type))
		return BPF_CORE_READ(s, type);
	return BPF_CORE_READ(d, type) + TTY_DRIVER_TYPE_PTY - bpf_core_enum_value(enum tty_driver_type, TTY_DRIVER_TYPE_PTY);
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock___bits {
	__u8 sk_scm_credentials : 1;
	__u8 sk_scm_security : 1;
	__u8 sk_scm_pidfd : 1;
	__u8 sk_scm_rights : 1;
};

struct unix_sock___oob {
	void *oob_skb;
};

struct pipe_inode_info___watch {
	void *watch_queue;
};

struct file_lock___whole {
	struct list_head fl_list;
	void *fl_owner;
	unsigned int fl_flags;
	unsigned char fl_type;
	unsigned int fl_pid;
	struct file *fl_file;
};

#pragma clang attribute pop

/* SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD as bits 0, 1, 2. v6.16 (0e81cfd971dc) moved them from the socket's flags into the sock. */
static __always_inline __u32 sock_pass(void *sock, unsigned long socket_flags)
{
	struct sock___bits *s = sock;

	if (bpf_core_field_exists(s->sk_scm_credentials))
		return BPF_CORE_READ_BITFIELD_PROBED(s, sk_scm_credentials) | BPF_CORE_READ_BITFIELD_PROBED(s, sk_scm_security) << 1 |
		       BPF_CORE_READ_BITFIELD_PROBED(s, sk_scm_pidfd) << 2;
	return (socket_flags >> 3 & 3) | (socket_flags >> 7 & 1) << 2;
}

/* SO_PASSRIGHTS is off. It came with v6.16 (77cbe1a6d873). */
static __always_inline bool sock_without_rights(void *sock)
{
	struct sock___bits *s = sock;

	return bpf_core_field_exists(s->sk_scm_rights) && !BPF_CORE_READ_BITFIELD_PROBED(s, sk_scm_rights);
}

/* A byte of urgent data waits. Only with CONFIG_AF_UNIX_OOB, v5.15 (314001f0bf92). */
static __always_inline bool unix_has_oob(void *sock)
{
	struct unix_sock___oob *u = sock;

	return bpf_core_field_exists(u->oob_skb) && BPF_CORE_READ(u, oob_skb);
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inet_sock___flags {
	unsigned long inet_flags;
};

struct inet_sock___bits {
	__u16 cmsg_flags;
	__u8 freebind : 1;
	__u8 hdrincl : 1;
	__u8 transparent : 1;
	__u8 nodefrag : 1;
};

struct udp_sock___flags {
	unsigned long udp_flags;
};

struct udp_sock___bits {
	unsigned int corkflag;
};

struct tcp_sock___md5 {
	void *md5sig_info;
};

struct tcp_sock___usec {
	__u8 tcp_usec_ts : 1;
};

#pragma clang attribute pop

/* Bits of inet_sock.inet_flags; the first 9 ask for control messages. */
#define INET_FLAG_PKTINFO 1
#define INET_FLAGS_CMSG 0x1ff
#define INET_FLAG_FREEBIND (1 << 11)
#define INET_FLAG_HDRINCL (1 << 12)
#define INET_FLAG_TRANSPARENT (1 << 15)
#define INET_FLAG_NODEFRAG (1 << 17)

/* v6.6 (c274af224269) gathered the bits of an inet_sock in inet_flags: the ones above. */
static __always_inline __u64 inet_flags(void *sock)
{
	struct inet_sock___flags *f = sock;
	struct inet_sock___bits *b = sock;

	if (bpf_core_field_exists(f->inet_flags))
		return BPF_CORE_READ(f, inet_flags);
	return (BPF_CORE_READ_BITFIELD_PROBED(b, cmsg_flags) & INET_FLAGS_CMSG) | BPF_CORE_READ_BITFIELD_PROBED(b, freebind) << 11 |
	       BPF_CORE_READ_BITFIELD_PROBED(b, hdrincl) << 12 | BPF_CORE_READ_BITFIELD_PROBED(b, transparent) << 15 |
	       BPF_CORE_READ_BITFIELD_PROBED(b, nodefrag) << 17;
}

/* UDP_CORK. v6.6 (81b36803ac13) made it a bit of udp_flags. */
static __always_inline bool udp_corked(void *sock)
{
	struct udp_sock___flags *f = sock;
	struct udp_sock___bits *b = sock;

	if (bpf_core_field_exists(f->udp_flags))
		return BPF_CORE_READ(f, udp_flags) & 1;
	return BPF_CORE_READ_BITFIELD_PROBED(b, corkflag);
}

/* Timestamps count microseconds, not milliseconds. It came with v6.7 (614e8316aa4c). */
static __always_inline bool tcp_counts_microseconds(void *sock)
{
	struct tcp_sock___usec *t = sock;

	return bpf_core_field_exists(t->tcp_usec_ts) && BPF_CORE_READ_BITFIELD_PROBED(t, tcp_usec_ts);
}

/* Only with CONFIG_TCP_MD5SIG. */
static __always_inline bool tcp_signed(void *sock)
{
	struct tcp_sock___md5 *t = sock;

	return bpf_core_field_exists(t->md5sig_info) && BPF_CORE_READ(t, md5sig_info);
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct packet_sock___bits {
	unsigned int running;
	unsigned int auxdata : 1, origdev : 1, has_vnet_hdr : 1, tp_loss : 1, tp_tx_has_off : 1;
	void *xmit;
};

struct packet_sock___size {
	__u8 vnet_hdr_sz;
};

struct tpacket_kbdq_core___ktime {
	__s64 interval_ktime;
};

struct tpacket_kbdq_core___tov {
	unsigned short retire_blk_tov;
};

#pragma clang attribute pop

/*
 * v6.4 (164bddace2e0 and its neighbours) made bits of packet_sock.flags of what were fields; some of
 * them are in older stable kernels too.
 */
#define packet_flag(po, flag, bit)                                                                         \
	({                                                                                                 \
		struct packet_sock___bits *__b = (void *)(po);                                             \
		__u32 __v = 0;                                                                             \
		if (bpf_core_enum_value_exists(enum packet_sock_flags, flag))                              \
			__v = BPF_CORE_READ(po, flags) >> bpf_core_enum_value(enum packet_sock_flags, flag) & 1; \
		else if (bpf_core_field_exists(__b->bit))                                                  \
			__v = BPF_CORE_READ_BITFIELD_PROBED(__b, bit);                                     \
		__v;                                                                                       \
	})

/* PACKET_QDISC_BYPASS. Before v6.4 (105a201ebf33) only the function by which it sends told it. */
static __always_inline bool packet_bypasses(struct packet_sock *po)
{
	struct packet_sock___bits *b = (void *)po;
	char name[16] = "";

	if (bpf_core_enum_value_exists(enum packet_sock_flags, PACKET_SOCK_QDISC_BYPASS))
		return BPF_CORE_READ(po, flags) >> bpf_core_enum_value(enum packet_sock_flags, PACKET_SOCK_QDISC_BYPASS) & 1;
	if (!bpf_core_field_exists(b->xmit))
		return false;
	BPF_SNPRINTF(name, sizeof(name), "%ps", BPF_CORE_READ(b, xmit));
	return name[0] == 'p'; /* packet_direct_xmit, not dev_queue_xmit */
}

/* Bytes of the header before a packet, 0: none. v6.6 (dfc39d4026fb) let it have other sizes than that of v1.0. */
static __always_inline __u32 packet_vnet_header(struct packet_sock *po)
{
	struct packet_sock___size *s = (void *)po;

	if (bpf_core_field_exists(s->vnet_hdr_sz))
		return BPF_CORE_READ(s, vnet_hdr_sz);
	return packet_flag(po, PACKET_SOCK_HAS_VNET_HDR, has_vnet_hdr) ? 10 : 0;
}

/* After how many milliseconds a block is handed over that is not full. v6.18 made it a ktime. */
static __always_inline __u32 ring_timeout(void *core)
{
	struct tpacket_kbdq_core___ktime *k = core;
	struct tpacket_kbdq_core___tov *t = core;

	if (bpf_core_field_exists(k->interval_ktime))
		return (__u64)BPF_CORE_READ(k, interval_ktime) / 1000000;
	return BPF_CORE_READ(t, retire_blk_tov);
}

/* Only with CONFIG_WATCH_QUEUE. */
static __always_inline bool pipe_is_watch_queue(void *pipe)
{
	struct pipe_inode_info___watch *p = pipe;

	return bpf_core_field_exists(p->watch_queue) && BPF_CORE_READ(p, watch_queue);
}

struct lock_common {
	void *owner;
	struct file *file;
	__u32 flags, type;
	int pid;
};

/* v6.9 (a69ce85ec9af) put what locks and leases share into struct file_lock_core, their first member. */
static __always_inline void *lock_of_link(struct list_head *link)
{
	struct file_lock___whole *w = 0;

	if (bpf_core_field_exists(w->fl_list))
		return (void *)link - bpf_core_field_offset(struct file_lock___whole, fl_list);
	return (void *)link - bpf_core_field_offset(struct file_lock_core, flc_list);
}

static __always_inline void lock_common(void *lock, struct lock_common *r)
{
	struct file_lock___whole *w = lock;
	struct file_lock_core *c = lock;

	if (bpf_core_field_exists(w->fl_list)) {
		r->owner = BPF_CORE_READ(w, fl_owner);
		r->file = BPF_CORE_READ(w, fl_file);
		r->flags = BPF_CORE_READ(w, fl_flags);
		r->type = BPF_CORE_READ(w, fl_type);
		r->pid = BPF_CORE_READ(w, fl_pid);
		return;
	}
	r->owner = BPF_CORE_READ(c, flc_owner);
	r->file = BPF_CORE_READ(c, flc_file);
	r->flags = BPF_CORE_READ(c, flc_flags);
	r->type = BPF_CORE_READ(c, flc_type);
	r->pid = BPF_CORE_READ(c, flc_pid);
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct fsnotify_mark___ignored {
	__u32 ignored_mask;
};

#pragma clang attribute pop

/*
 * The inode that a mark is on. fsnotify_mark_connector.obj is the inode since v6.10 (230d97d39e4f);
 * before it was the address of the inode's pointer to the connector.
 */
static __always_inline struct inode *mark_inode(struct fsnotify_mark_connector *conn)
{
	struct inode *i = BPF_CORE_READ(conn, obj);

	if (BPF_CORE_READ(i, i_fsnotify_marks) == conn)
		return i;
	i = (void *)i - bpf_core_field_offset(struct inode, i_fsnotify_marks);
	return BPF_CORE_READ(i, i_fsnotify_marks) == conn ? i : 0;
}

/* The mount that a mark is on, in the same two ways; 0 when it goes. */
static __always_inline struct mount *mark_mount(struct fsnotify_mark_connector *conn)
{
	void *obj = BPF_CORE_READ(conn, obj);
	struct mount *m = obj - bpf_core_field_offset(struct mount, mnt);

	if (BPF_CORE_READ(m, mnt_fsnotify_marks) == conn)
		return m;
	m = obj - bpf_core_field_offset(struct mount, mnt_fsnotify_marks);
	return BPF_CORE_READ(m, mnt_fsnotify_marks) == conn ? m : 0;
}

/* v6.0 (31a371e419c8) renamed the field. */
static __always_inline __u32 mark_ignored(struct fsnotify_mark *mark)
{
	struct fsnotify_mark___ignored *old = (void *)mark;

	if (bpf_core_field_exists(old->ignored_mask))
		return BPF_CORE_READ(old, ignored_mask);
	return BPF_CORE_READ(mark, ignore_mask);
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	unsigned long bits[1];
} mm_flags_t;

struct mm_struct___bitmap {
	mm_flags_t flags;
};

struct mm_struct___word {
	unsigned long flags;
};

#pragma clang attribute pop

/* v6.18 (4e65bda8273c) made mm_struct.flags a struct with a bitmap in it: its first word is what the word was. */
static __always_inline __u64 mm_flags(void *mm)
{
	struct mm_struct___bitmap *b = mm;
	struct mm_struct___word *w = mm;
	__u64 flags = 0;

	if (bpf_core_type_exists(mm_flags_t))
		bpf_core_read(&flags, sizeof(flags), &b->flags);
	else
		bpf_core_read(&flags, sizeof(flags), &w->flags);
	return flags;
}

#define MMF_DISABLE_THP_EXCEPT_ADVISED 23
#define MMF_DISABLE_THP 24

/* v6.18 (9dc21bbd62ed) added a second way to disable huge pages, by a bit that meant something else before. */
static __always_inline bool mm_thp_disabled(__u64 flags)
{
	if (bpf_core_type_exists(mm_flags_t) && flags >> MMF_DISABLE_THP_EXCEPT_ADVISED & 1)
		return true;
	return flags >> MMF_DISABLE_THP & 1;
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct k_itimer___sigq {
	struct sigqueue sigq;
};

struct k_itimer___sigq_pointer {
	struct sigqueue *sigq;
};

struct k_itimer___status {
	int it_status;
	unsigned int it_signal_seq, it_sigqueue_seq;
};

struct k_itimer___active {
	int it_active, it_requeue_pending;
};

#pragma clang attribute pop

/* v6.11 (e3bd9d6) made signal_struct.posix_timers an hlist; it was a list_head. Either way the first word leads on. */
static __always_inline void *timers_head(struct signal_struct *sig)
{
	return (void *)sig + bpf_core_field_offset(struct signal_struct, posix_timers);
}

enum {
	TIMER_DISARMED,
	TIMER_ARMED,
	TIMER_PENDING, /* its signal is queued, and the timer goes on when that is taken */
};

/* v6.13 (ee92bca16b31) put it_status in the place of two members. */
static __always_inline __u32 timer_status(void *timer)
{
	struct k_itimer___status *s = timer;
	struct k_itimer___active *a = timer;

	if (bpf_core_field_exists(s->it_status))
		return BPF_CORE_READ(s, it_status);
	if (BPF_CORE_READ(a, it_active))
		return TIMER_ARMED;
	return BPF_CORE_READ(a, it_requeue_pending) & 1 ? TIMER_PENDING : TIMER_DISARMED;
}

/* Since v6.13 (5cac427) a queued signal is dropped when the timer was set anew after it. */
static __always_inline bool timer_signal_stale(void *timer)
{
	struct k_itimer___status *s = timer;

	return bpf_core_field_exists(s->it_sigqueue_seq) && BPF_CORE_READ(s, it_sigqueue_seq) != BPF_CORE_READ(s, it_signal_seq);
}

/* v6.13 (6017a158beb1) embedded the timer's sigqueue; it was a pointer. */
static __always_inline void *timer_siginfo(void *timer)
{
	struct k_itimer___sigq *v = timer;
	struct k_itimer___sigq_pointer *p = timer;

	if (bpf_core_field_exists(p->sigq)) /* as a pointer */
		return (void *)BPF_CORE_READ(p, sigq) + bpf_core_field_offset(struct sigqueue, info);
	return (void *)__builtin_preserve_access_index(&v->sigq.info);
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct file___atomic {
	struct {
		__s64 counter;
	} f_count;
};

struct file___ref {
	struct {
		struct {
			__s64 counter;
		} refcnt;
	} f_ref;
};

struct sem_undo___pointer {
	short *semadj;
};

#pragma clang attribute pop

/* v6.13 (08ef26ea9ab3) made a file's count of references a file_ref_t, which is one less. */
static __always_inline __u64 file_refs(void *file)
{
	struct file___ref *r = file;
	struct file___atomic *a = file;

	if (bpf_core_field_exists(r->f_ref))
		return BPF_CORE_READ(r, f_ref.refcnt.counter) + 1;
	return BPF_CORE_READ(a, f_count.counter);
}

/* v6.6 made sem_undo.semadj an array at its end; it was a pointer. */
static __always_inline const void *undo_adjustments(struct sem_undo *u)
{
	struct sem_undo___pointer *p = (void *)u;

	if (bpf_core_field_exists(p->semadj))
		return BPF_CORE_READ(p, semadj);
	return (void *)u + bpf_core_field_offset(struct sem_undo, semadj);
}

struct rseq_registration {
	__u64 ptr;
	__u32 len, sig;
};

/* v7.2 put rseq* into task_struct.rseq; before v6.3 (ee3e3ac05c26) there was no rseq_len: it is 32. */
static __always_inline struct rseq_registration task_rseq(void *task)
{
	struct task_struct___direct *d = task;
	struct task_struct___grouped *g = task;
	struct rseq_registration r = {};

	if (bpf_core_field_exists(g->rseq.usrptr)) {
		r.ptr = (__u64)g->rseq.usrptr;
		r.len = g->rseq.len;
		r.sig = g->rseq.sig;
	} else if (bpf_core_field_exists(d->rseq_sig)) {
		r.ptr = (__u64)d->rseq;
		r.sig = d->rseq_sig;
		r.len = bpf_core_field_exists(d->rseq_len) ? d->rseq_len : 32;
	}
	return r;
}

#endif
