/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* iter/task: every thread's own state. */
#include "thread.h"
#include "seccomp.h"
#include "sem_undo.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MODE_FILTER 2	   /* SECCOMP_MODE_FILTER */
#define PFA_NO_NEW_PRIVS 1 /* bit 0 of atomic_flags */
#define XSTATE_BV 512	   /* offset, xstate_header.xfeatures */
#define XSAVE_AVX 832	   /* bytes up to AVX's end, compacted or not */
#define FPU_MOST 16384	   /* bytes; AMX needs 11 KiB */

/* uapi/linux/rseq.h, as the target's memory holds it. */
struct user_rseq {
	__u32 cpu_id_start, cpu_id;
	__u64 rseq_cs;
	__u32 flags;
};

struct user_rseq_cs {
	__u32 version, flags;
	__u64 start_ip, post_commit_offset, abort_ip;
};

/* A thread in a system call is in no critical section: its memory is left alone. */
static __always_inline void fill_rseq(struct thread_rseq *r, struct task_struct *trusted,
				      void *t, bool in_syscall)
{
	struct rseq_registration reg = task_rseq(t);
	struct user_rseq_cs cs = {};
	struct user_rseq u = {};

	__builtin_memset(r, 0, sizeof(*r));
	r->ptr = reg.ptr;
	r->len = reg.len;
	r->sig = reg.sig;
	if (!reg.ptr || in_syscall)
		return;
	if (bpf_copy_from_user_task(&u, sizeof(u), (void *)reg.ptr, trusted, 0)) {
		r->unread = 1;
		return;
	}
	r->cs = u.rseq_cs;
	r->flags = u.flags;
	if (!u.rseq_cs)
		return;
	if (bpf_copy_from_user_task(&cs, sizeof(cs), (void *)u.rseq_cs, trusted, 0)) {
		r->unread = 1;
		return;
	}
	r->cs_version = cs.version;
	r->cs_flags = cs.flags;
	r->start_ip = cs.start_ip;
	r->post_commit_offset = cs.post_commit_offset;
	r->abort_ip = cs.abort_ip;
}

static __always_inline void fill_cred(struct thread_cred *r, const struct cred *c)
{
	r->uid = c->uid.val;
	r->gid = c->gid.val;
	r->euid = c->euid.val;
	r->egid = c->egid.val;
	r->suid = c->suid.val;
	r->sgid = c->sgid.val;
	r->fsuid = c->fsuid.val;
	r->fsgid = c->fsgid.val;
	r->securebits = c->securebits;
	bpf_probe_read_kernel(&r->cap_inh, 8, &c->cap_inheritable);
	bpf_probe_read_kernel(&r->cap_prm, 8, &c->cap_permitted);
	bpf_probe_read_kernel(&r->cap_eff, 8, &c->cap_effective);
	bpf_probe_read_kernel(&r->cap_bnd, 8, &c->cap_bset);
	bpf_probe_read_kernel(&r->cap_amb, 8, &c->cap_ambient);
	r->ngroups = c->group_info->ngroups;
}

static __always_inline void fill_cpu(struct thread_rec *r, struct task_struct *t)
{
	struct thread_struct *th = &t->thread;

	r->fsbase = th->fsbase;
	r->gsbase = th->gsbase;
	r->ds = th->ds;
	r->es = th->es;
	r->fs = th->fsindex;
	r->gs = th->gsindex;
	r->pkru = bpf_core_field_exists(th->pkru) ? th->pkru : 0;
	bpf_probe_read_kernel(r->tls, sizeof(r->tls), &th->tls_array);
}

static __always_inline void fill_signals(struct thread_rec *r, struct task_struct *t)
{
	r->blocked = t->blocked.sig[0];
	r->saved_sigmask = t->saved_sigmask.sig[0];
	r->restore_sigmask = BPF_CORE_READ_BITFIELD_PROBED(t, restore_sigmask);
	r->pending = t->pending.signal.sig[0];
	r->shared_pending = t->signal->shared_pending.signal.sig[0];
	r->sas_sp = t->sas_ss_sp;
	r->sas_size = t->sas_ss_size;
	r->sas_flags = t->sas_ss_flags;
	r->pdeath_signal = t->pdeath_signal;
}

/* The time left of a sleep on a clock that BPF can read; relative sleeps on CLOCK_REALTIME count on MONOTONIC. */
#define SCHED_RESET_ON_FORK 0x40000000

static __always_inline void fill_restart(struct thread_rec *r, struct task_struct *t)
{
	struct {
		__u32 clockid, type;
		__u64 rmtp, expires;
	} sleep = {};
	__u64 now = 0;

	bpf_probe_read_kernel(&sleep, sizeof(sleep), &t->restart_block.nanosleep);
	r->restart_clockid = sleep.clockid;
	r->restart_type = sleep.type;
	r->restart_rmtp = sleep.rmtp;
	r->restart_expires = 0;
	if (sleep.clockid <= 1)
		now = bpf_ktime_get_ns();
	else if (sleep.clockid == 7)
		now = bpf_ktime_get_boot_ns();
	if (now && sleep.expires > now)
		r->restart_expires = sleep.expires - now;
}

static __always_inline void fill_rest(struct thread_rec *r, struct task_struct *t, const struct reader_ns *ns)
{
	r->files = (__u64)t->files;
	r->fs_struct = (__u64)t->fs;
	r->sighand = (__u64)t->sighand;
	r->vfork = !!t->vfork_done;
	r->undo = has_undo(t, &r->undo_set);
	r->css_set = (__u64)t->cgroups;
	r->state = t->__state;
	r->ptrace = t->ptrace;
	r->tracer = r->ptrace ? pid_in(t->parent->group_leader->thread_pid, ns) : 0;
	r->static_prio = t->static_prio;
	r->policy = t->policy;
	if (BPF_CORE_READ_BITFIELD_PROBED(t, sched_reset_on_fork))
		r->policy |= SCHED_RESET_ON_FORK;
	r->rt_priority = t->rt_priority;
	r->robust_list = task_robust_list(t);
	r->clear_child_tid = (__u64)t->clear_child_tid;
	r->no_new_privs = t->atomic_flags & PFA_NO_NEW_PRIVS;
	r->seccomp_mode = t->seccomp.mode;
	r->seccomp_filter = (__u64)t->seccomp.filter;
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), &t->comm);
}

struct fpu_rest {
	struct seq_file *seq;
	struct thread_scratch *s;
	void *from;
	__u64 size;
};

/* The i-th piece after the first. */
static long fpu_step(__u32 i, struct fpu_rest *f)
{
	__u64 off = (i + 1ULL) * SCRATCH_DATA, n = 0;

	if (off < f->size)
		n = f->size - off;
	if (n > SCRATCH_DATA)
		n = SCRATCH_DATA;
	barrier_var(n);
	if (!n || n > SCRATCH_DATA)
		return 1;
	if (bpf_probe_read_kernel(f->s->data, n, f->from + off))
		__builtin_memset(f->s->data, 0, 8);
	bpf_seq_write(f->seq, f->s->data, n);
	return 0;
}

/* Writes the record with the FPU state behind it: in one piece unless it has AMX tiles. */
static __always_inline void emit_thread(struct seq_file *seq, struct thread_scratch *s, void *t)
{
	struct fpu *fpu = plain(struct fpu, task_fpu(t));
	struct fpstate *fps = fpu->fpstate;
	__u64 size = 0, first, in_use = 0;

	s->rec.user_xfeatures = 0;
	if (fps) {
		s->rec.user_xfeatures = fps->user_xfeatures;
		size = fps->size;
		bpf_probe_read_kernel(&in_use, sizeof(in_use), (void *)&fps->regs + XSTATE_BV);
		if (!(in_use >> 3) && size > XSAVE_AVX)
			size = XSAVE_AVX; /* what lies behind is in its initial state */
	}
	if (size > FPU_MOST)
		size = 0;
	s->rec.fpu_size = size;
	size = (size + 7) & ~7ULL;
	s->rec.head.type = REC_THREAD;
	s->rec.head.len = sizeof(s->rec) + size;
	first = size < SCRATCH_DATA ? size : SCRATCH_DATA;
	barrier_var(first);
	if (first > SCRATCH_DATA)
		return;
	if (first && bpf_probe_read_kernel(s->data, first, &fps->regs))
		s->rec.fpu_size = 0;
	bpf_seq_write(seq, s, sizeof(s->rec) + first);
	if (size > first) {
		struct fpu_rest f = {
			.seq = seq, .s = s, .from = (void *)&fps->regs, .size = size,
		};
		bpf_loop(FPU_MOST / SCRATCH_DATA, fpu_step, &f, 0);
	}
}

SEC("iter.s/task")
int dump_thread(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *t;
	struct seq_file *seq = ctx->meta->seq;
	struct thread_scratch *s;
	struct reader_ns ns;
	struct thread_id id;
	bool left = false;
	void *regs;

	if (!task)
		return emit_end(seq);
	s = bpf_task_storage_get(&thread_scratch, bpf_get_current_task_btf(), 0,
				 BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s)
		return 1; /* no memory: once more */
	t = plain(struct task_struct, task);
	ns = reader_pidns();
	id.tid = s->rec.tid = pid_in(t->thread_pid, &ns);
	id.tgid = s->rec.tgid = pid_in(t->group_leader->thread_pid, &ns);
	regs = (void *)bpf_task_pt_regs(task);
	bpf_probe_read_kernel(s->rec.regs, sizeof(s->rec.regs), regs);
	fill_cpu(&s->rec, t);
	fill_signals(&s->rec, t);
	fill_restart(&s->rec, t);
	fill_rest(&s->rec, t, &ns);
	fill_cred(&s->rec.cred, t->real_cred);
	fill_rseq(&s->rec.rseq, task, t, (__s64)s->rec.regs[15] >= 0);

	s->rec.more = 0;
	s->rec.nsiginfo = emit_siginfo(seq, id, &t->pending.list, 0, &left);
	if (left)
		s->rec.more |= MORE_SIGINFO;
	emit_groups(seq, id, t->real_cred->group_info, 0, s->rec.cred.ngroups, s);
	if (s->rec.cred.ngroups > GROUPS_ONCE)
		s->rec.more |= MORE_GROUPS;
	if (s->rec.seccomp_mode == MODE_FILTER)
		s->rec.more |= MORE_SECCOMP;
	emit_thread(seq, s, t);
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_place);
} thread_cursor SEC(".maps");

/* Reads what one thread has too much of for dump_thread, from a cursor on. */
SEC("iter/task")
int more_thread(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *t, *cur;
	struct seq_file *seq = ctx->meta->seq;
	struct seccomp_filter *filter;
	struct thread_scratch *s;
	struct thread_place *c;
	struct group_info *gi;
	struct thread_id id;
	struct reader_ns ns;
	bool left;

	if (!task)
		return emit_end(seq);
	cur = bpf_get_current_task_btf();
	c = bpf_task_storage_get(&thread_cursor, cur->group_leader, 0, 0);
	if (!c)
		return 0;
	t = plain(struct task_struct, task);
	ns = reader_pidns();
	id.tid = pid_in(t->thread_pid, &ns);
	if (id.tid != c->tid)
		return 0;
	id.tgid = pid_in(t->group_leader->thread_pid, &ns);
	s = bpf_task_storage_get(&thread_scratch, cur, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s)
		return 1;
	switch (c->what) {
	case MORE_SIGINFO:
		emit_siginfo(seq, id, &t->pending.list, c->skip, &left);
		break;
	case MORE_GROUPS:
		gi = t->real_cred->group_info;
		emit_groups(seq, id, gi, c->skip, gi->ngroups, s);
		break;
	case MORE_SECCOMP:
		filter = c->filter ? (void *)c->filter : t->seccomp.filter;
		emit_seccomp(seq, id, filter, c->skip, s);
		break;
	}
	return 0;
}
