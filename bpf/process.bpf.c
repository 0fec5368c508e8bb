/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* iter/task: what a thread group has as a whole. */
#include "path.h"
#include "emit.h"
#include "pidns.h"
#include "timers.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SIGINFO_SIZE 48
#define SIGINFO_ONCE 96 /* signals a call */
#define TIMERS_ONCE 56 /* POSIX timers a call: with these and three paths it writes at most 31 KiB */
#define SIGQUEUE_PREALLOC 1
#define SIGNAL_GROUP_EXIT 4
#define MMF_DUMPABLE_MASK 3
#define PIDTYPE_PGID 2
#define PIDTYPE_SID 3

struct process_scratch {
	struct process_rec rec;
	char text[PATH_MOST];
};

/* Per reading thread, like thread.bpf.c's; two maps, since some kernels cap one value at 8 KiB. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct process_scratch);
} process_scratch SEC(".maps");

DEFINE_EMIT(process_rec)
DEFINE_EMIT(process_siginfo)
DEFINE_EMIT(process_timer)

struct path_scratch {
	struct process_path rec;
	char text[PATH_MOST];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct path_scratch);
} path_scratch SEC(".maps");

static __always_inline void emit_path(struct seq_file *seq, struct path_scratch *s, __u32 tgid, __u32 what, struct path *path)
{
	struct path *p = plain(struct path, path);
	struct dentry *d = p->dentry;
	__u64 text;

	s->rec.head.type = REC_PROCESS_PATH;
	s->rec.tgid = tgid;
	s->rec.what = what;
	fill_inode(&s->rec.path, p->mnt, d, d->d_inode);
	text = fill_text(&s->rec.path, s->text, path);
	s->rec.head.len = sizeof(s->rec) + text;
	if (text <= PATH_MOST)
		bpf_seq_write(seq, s, sizeof(s->rec) + text);
}

static __always_inline void fill_auxv(struct process_rec *r, struct mm_struct *m)
{
	__u64 n = bpf_core_field_size(m->saved_auxv);

	if (n > sizeof(r->auxv))
		n = sizeof(r->auxv);
	barrier_var(n);
	if (n > sizeof(r->auxv))
		return;
	if (!bpf_probe_read_kernel(r->auxv, n, __builtin_preserve_access_index(&m->saved_auxv)))
		r->auxv_len = n / 8;
}

#define MMF_HAS_MDWE 28 /* v6.3 */
#define VM_LOCKED 0x2000

static __always_inline void fill_mm(struct process_rec *r, struct mm_struct *m)
{
	r->mm_marks[0] = m->start_code;
	r->mm_marks[1] = m->end_code;
	r->mm_marks[2] = m->start_data;
	r->mm_marks[3] = m->end_data;
	r->mm_marks[4] = m->start_stack;
	r->mm_marks[5] = m->start_brk;
	r->mm_marks[6] = m->brk;
	r->mm_marks[7] = m->arg_start;
	r->mm_marks[8] = m->arg_end;
	r->mm_marks[9] = m->env_start;
	r->mm_marks[10] = m->env_end;
	r->ioctx = bpf_core_field_exists(m->ioctx_table) ? (__u64)m->ioctx_table : 0;
	r->membarrier = bpf_core_field_exists(m->membarrier_state) ? m->membarrier_state.counter : 0;
	r->dumpable = mm_flags(m) & MMF_DUMPABLE_MASK;
	r->thp_disabled = mm_thp_disabled(mm_flags(m));
	r->mdwe = mm_flags(m) >> MMF_HAS_MDWE & 1;
	r->lock_future = (m->def_flags & VM_LOCKED) != 0;
	fill_auxv(r, m);
}

static __always_inline void fill_ns(struct process_rec *r, struct task_struct *t)
{
	struct nsproxy *n = t->nsproxy;
	struct pid *pid = t->thread_pid;
	struct upid u = {};
	__u32 level = BPF_CORE_READ(pid, level) & 31;

	bpf_probe_read_kernel(&u, sizeof(u), (void *)&pid->numbers[0] + level * sizeof(u));
	r->ns[0] = BPF_CORE_READ(u.ns, ns.inum);
	r->ns[1] = BPF_CORE_READ(n, pid_ns_for_children, ns.inum);
	r->ns[2] = BPF_CORE_READ(n, net_ns, ns.inum);
	r->ns[3] = BPF_CORE_READ(n, ipc_ns, ns.inum);
	r->ns[4] = BPF_CORE_READ(n, uts_ns, ns.inum);
	r->ns[5] = BPF_CORE_READ(n, mnt_ns, ns.inum);
	r->ns[6] = BPF_CORE_READ(t, real_cred, user_ns, ns.inum);
	r->ns[7] = BPF_CORE_READ(n, cgroup_ns, ns.inum);
	r->ns[8] = BPF_CORE_READ(n, time_ns, ns.inum);
	r->ns[9] = BPF_CORE_READ(n, time_ns_for_children, ns.inum);
}

static __always_inline void fill_signal(struct process_rec *r, struct signal_struct *sig, const struct reader_ns *ns)
{
	r->pgid = pid_in(sig->pids[PIDTYPE_PGID], ns);
	r->sid = pid_in(sig->pids[PIDTYPE_SID], ns);
	r->signal_flags = sig->flags;
	r->group_stop_count = sig->group_stop_count;
	r->nr_threads = sig->nr_threads;
	if (sig->flags & SIGNAL_GROUP_EXIT)
		r->exit_code = sig->group_exit_code;
	r->tty = (__u64)sig->tty;
	r->oom_score_adj = sig->oom_score_adj;
	r->child_subreaper = BPF_CORE_READ_BITFIELD_PROBED(sig, is_child_subreaper);
	r->shared_pending = sig->shared_pending.signal.sig[0];
	bpf_probe_read_kernel(r->rlimits, sizeof(r->rlimits), &sig->rlim);
	fill_itimers(r->itimers, sig);
}

static __always_inline void fill_task(struct process_rec *r, struct task_struct *t, const struct reader_ns *ns)
{
	r->head.type = REC_PROCESS;
	r->head.len = sizeof(*r);
	r->pid = pid_in(t->thread_pid, ns);
	r->ppid = pid_in(BPF_CORE_READ(t, real_parent, group_leader, thread_pid), ns);
	r->exit_state = t->exit_state;
	r->exit_code = t->exit_code;
	r->exit_signal = t->exit_signal;
	r->flags = t->flags;
	r->personality = t->personality;
	r->jobctl = t->jobctl;
	r->loginuid = bpf_core_field_exists(t->loginuid) ? t->loginuid.val : ~0U;
	r->mm = (__u64)t->mm;
	r->files = (__u64)t->files;
	r->fs_struct = (__u64)t->fs;
	r->sighand = (__u64)t->sighand;
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), &t->comm);
}

struct queue_walk {
	struct seq_file *seq;
	struct list_head *head, *next;
	__u32 tgid, skip;
};

/* Bounds are on i, as in thread.h. */
static long queue_step(__u32 i, struct queue_walk *w)
{
	struct process_siginfo r;
	struct sigqueue *q;

	if (w->next == w->head || !w->next)
		return 1;
	q = (void *)w->next - bpf_core_field_offset(struct sigqueue, list);
	w->next = BPF_CORE_READ(q, list.next);
	if (i < w->skip)
		return 0;
	r.head.type = REC_PROCESS_SIGINFO;
	r.head.len = sizeof(r);
	r.tgid = w->tgid;
	r.preallocated = BPF_CORE_READ(q, flags) & SIGQUEUE_PREALLOC;
	if (bpf_probe_read_kernel(r.info, SIGINFO_SIZE, &q->info))
		return 1;
	emit_process_siginfo(w->seq, &r);
	return 0;
}

/* Emits at most SIGINFO_ONCE queued signals from place skip on; says whether there are more. */
static __always_inline bool emit_queue(struct seq_file *seq, __u32 tgid, struct list_head *head, __u32 skip)
{
	struct queue_walk w = { .seq = seq, .head = head, .tgid = tgid, .skip = skip };

	w.next = BPF_CORE_READ(head, next);
	if (w.next != w.head)
		bpf_loop(skip + SIGINFO_ONCE, queue_step, &w, 0);
	return w.next != w.head;
}

struct timer_walk {
	struct seq_file *seq;
	void *head, *next;
	struct reader_ns ns;
	__u32 tgid, skip;
};

static long timer_step(__u32 i, struct timer_walk *w)
{
	struct process_timer r = {};
	struct k_itimer *k;

	if (w->next == w->head || !w->next)
		return 1;
	k = w->next - bpf_core_field_offset(struct k_itimer, list);
	if (bpf_probe_read_kernel(&w->next, sizeof(w->next), w->next))
		return 1;
	if (i < w->skip)
		return 0;
	r.head.type = REC_PROCESS_TIMER;
	r.head.len = sizeof(r);
	r.tgid = w->tgid;
	fill_timer(&r, k, &w->ns);
	emit_process_timer(w->seq, &r);
	return 0;
}

/* Emits at most TIMERS_ONCE timers from the skip-th on; says whether there are more. */
static __always_inline bool emit_timers(struct seq_file *seq, __u32 tgid, struct signal_struct *sig,
					const struct reader_ns *ns, __u32 skip)
{
	struct timer_walk w = { .seq = seq, .head = timers_head(sig), .ns = *ns, .tgid = tgid, .skip = skip };

	bpf_probe_read_kernel(&w.next, sizeof(w.next), w.head);
	if (w.next && w.next != w.head)
		bpf_loop(skip + TIMERS_ONCE, timer_step, &w, 0);
	return w.next && w.next != w.head;
}

static __always_inline void emit_paths(struct seq_file *seq, struct path_scratch *p, __u32 tgid, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct fs_struct *fs = task->fs;
	struct file *exe;

	if (mm) {
		exe = mm->exe_file;
		if (exe)
			emit_path(seq, p, tgid, PATH_EXE, &exe->f_path);
	}
	if (fs) {
		emit_path(seq, p, tgid, PATH_CWD, &fs->pwd);
		emit_path(seq, p, tgid, PATH_ROOT, &fs->root);
	}
}

SEC("iter/task")
int dump_process(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *t;
	struct seq_file *seq = ctx->meta->seq;
	struct process_scratch *s;
	struct path_scratch *p;
	struct reader_ns ns;
	struct process_rec *r;

	if (!task)
		return emit_end(seq);
	t = plain(struct task_struct, task);
	if (t->group_leader->thread_pid != t->thread_pid)
		return 0;
	s = bpf_task_storage_get(&process_scratch, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	p = bpf_task_storage_get(&path_scratch, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s || !p)
		return 1; /* no memory: once more */
	r = &s->rec;
	ns = reader_pidns();
	fill_task(r, t, &ns);
	emit_paths(seq, p, r->pid, task);
	/* The queue before the timers: loader/timers.go tells from both what has expired in between. */
	r->more = 0;
	if (emit_queue(seq, r->pid, &t->signal->shared_pending.list, 0))
		r->more |= MORE_QUEUE;
	if (emit_timers(seq, r->pid, t->signal, &ns, 0))
		r->more |= MORE_TIMERS;
	fill_signal(r, t->signal, &ns);
	r->ktime = bpf_ktime_get_ns();
	if (t->sighand)
		bpf_probe_read_kernel(r->sigactions, sizeof(r->sigactions), &t->sighand->action);
	r->auxv_len = 0;
	r->umask = t->fs ? t->fs->umask : 0;
	__builtin_memset(r->ns, 0, sizeof(r->ns));
	if (t->nsproxy)
		fill_ns(r, t);
	if (t->mm)
		fill_mm(r, t->mm);
	r->__reserved = 0;
	emit_process_rec(seq, r);
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct process_place);
} process_cursor SEC(".maps");

/* Reads what one process has too much of for dump_process, from a cursor on. */
SEC("iter/task")
int more_process(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *t, *cur;
	struct seq_file *seq = ctx->meta->seq;
	struct process_place *c;
	struct reader_ns ns;
	__u32 pid;

	if (!task)
		return emit_end(seq);
	cur = bpf_get_current_task_btf();
	c = bpf_task_storage_get(&process_cursor, cur->group_leader, 0, 0);
	if (!c)
		return 0;
	t = plain(struct task_struct, task);
	ns = reader_pidns();
	pid = pid_in(t->thread_pid, &ns);
	if (pid != c->pid)
		return 0;
	if (c->what == MORE_QUEUE)
		emit_queue(seq, pid, &t->signal->shared_pending.list, c->skip);
	else if (c->what == MORE_TIMERS)
		emit_timers(seq, pid, t->signal, &ns, c->skip);
	return 0;
}
