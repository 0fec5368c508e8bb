/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* iter/task: a process's AIO contexts, and what they have in flight. */
#include "kernel_aio.h"
#include "drift.h"
#include "emit.h"
#include "pidns.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

DEFINE_EMIT(aio_rec)

#define AIO_ONCE 256 /* contexts a call */
#define TABLE_MOST (1 << 20)
#define WAITING_MOST (1 << 16)
#define CPUS_MOST 8192 /* CONFIG_NR_CPUS */
#define PERCPU_FLAGS 3 /* of percpu_count_ptr */
#define PERCPU_ATOMIC 1
#define OWN_REFERENCE 1 /* the context's, until free_ioctx_users() */

/*
 * One value a processor. Its address on each of them, without the address that the map knows for all,
 * is where that processor's data lies: __per_cpu_offset, which not every kernel tells by name.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} every_cpu SEC(".maps");

/* A pointer's value, of which the verifier forgets what it points to. */
static __always_inline __u64 address(const void *p)
{
	__u64 v = 0;

	bpf_probe_read_kernel(&v, sizeof(v), &p);
	return v;
}

/*
 * How far the walks have come, through the process's table, and for each context through the
 * processors and its list. It lies in a map's memory: see list_walk.
 */
struct aio_walk {
	__u64 table;		/* address of its first entry */
	__u64 nr, at, emitted;	/* entries */
	__u64 value, counter;	/* addresses of every_cpu's value and of what is added up, as all processors know them */
	__s64 sum;
	__u64 head, next, n; /* of active_reqs: addresses, entries */
	__u32 tgid, __reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct aio_walk);
} aio_walks SEC(".maps");

struct aio_ctx {
	struct seq_file *seq;
	struct aio_walk *w;
};

static long cpu_step(__u32 cpu, struct aio_ctx *x)
{
	struct aio_walk *w = x->w;
	__u32 key = 0;
	void *value;
	__s64 n = 0;

	value = bpf_map_lookup_percpu_elem(&every_cpu, &key, cpu);
	if (!value)
		return 1;
	bpf_probe_read_kernel(&n, sizeof(n), (void *)(address(value) - w->value + w->counter));
	w->sum += n;
	return 0;
}

/*
 * Requests hold a reference each, from io_submit(2) until they have ended and all that they had to
 * tell was told. Each processor counts those taken on it and given back on it.
 */
static __always_inline __s64 in_flight(struct aio_ctx *x, struct kioctx *c)
{
	void *map = (void *)address(&every_cpu);
	__u64 ptr = BPF_CORE_READ(c, reqs.percpu_count_ptr);
	struct aio_walk *w = x->w;

	if (ptr & PERCPU_ATOMIC)
		return BPF_CORE_READ(c, reqs.data, count.counter) - 1 - OWN_REFERENCE;
	w->counter = ptr & ~(__u64)PERCPU_FLAGS;
	w->sum = 0;
	bpf_probe_read_kernel(&w->value, sizeof(w->value), map + bpf_core_field_offset(struct bpf_array, pptrs));
	bpf_loop(CPUS_MOST, cpu_step, x, 0);
	return w->sum - OWN_REFERENCE;
}

static long waiting_step(__u32 i, struct aio_ctx *x)
{
	struct aio_walk *w = x->w;
	struct list_head *at = (void *)w->next;

	if (!at || w->next == w->head)
		return 1;
	w->n++;
	w->next = (__u64)BPF_CORE_READ(at, next);
	return 0;
}

static __always_inline __u32 waiting(struct aio_ctx *x, struct kioctx *c)
{
	struct list_head *head = __builtin_preserve_access_index(&c->active_reqs);
	struct aio_walk *w = x->w;

	w->head = (__u64)head;
	w->next = (__u64)BPF_CORE_READ(head, next);
	w->n = 0;
	bpf_loop(WAITING_MOST, waiting_step, x, 0);
	return w->n;
}

static long table_step(__u32 i, struct aio_ctx *x)
{
	struct aio_rec r = { .head = { REC_AIO, sizeof(r) } };
	struct aio_walk *w = x->w;
	struct kioctx *c = 0;

	if (w->at >= w->nr || w->emitted >= AIO_ONCE)
		return 1;
	r.place = w->at++;
	bpf_probe_read_kernel(&c, sizeof(c), (void *)(w->table + r.place * sizeof(c)));
	if (!c)
		return 0;
	w->emitted++;
	r.id = BPF_CORE_READ(c, user_id);
	r.size = BPF_CORE_READ(c, mmap_size);
	r.file = (__u64)BPF_CORE_READ(c, aio_ring_file);
	r.events = BPF_CORE_READ(c, nr_events);
	r.tail = BPF_CORE_READ(c, tail);
	r.waiting = waiting(x, c);
	r.inflight = in_flight(x, c);
	r.tgid = w->tgid;
	r.more = w->emitted >= AIO_ONCE && w->at < w->nr;
	emit_aio_rec(x->seq, &r);
	return 0;
}

/* Emits the contexts of a process from a place in its table on; 1 asks to be called once more. */
static __always_inline int emit_contexts(struct seq_file *seq, struct task_struct *t, __u32 tgid, __u32 skip)
{
	struct aio_ctx x = { .seq = seq };
	struct mm_struct *mm = t->mm;
	struct kioctx_table *table;

	if (!mm || !bpf_core_type_exists(struct kioctx_table)) /* CONFIG_AIO is not set */
		return 0;
	table = BPF_CORE_READ(mm, ioctx_table);
	if (!table)
		return 0;
	x.w = bpf_task_storage_get(&aio_walks, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!x.w)
		return 1; /* no memory */
	x.w->table = (__u64)table + bpf_core_field_offset(struct kioctx_table, table);
	x.w->nr = BPF_CORE_READ(table, nr);
	x.w->at = skip;
	x.w->emitted = 0;
	x.w->tgid = tgid;
	bpf_loop(TABLE_MOST, table_step, &x, 0);
	return 0;
}

SEC("iter/task")
int dump_aio(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *t;
	struct seq_file *seq = ctx->meta->seq;
	struct reader_ns ns;

	if (!task)
		return emit_end(seq);
	t = plain(struct task_struct, task);
	if (t->group_leader->thread_pid != t->thread_pid)
		return 0;
	ns = reader_pidns();
	return emit_contexts(seq, t, pid_in(t->thread_pid, &ns), 0);
}

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct aio_place);
} aio_cursor SEC(".maps");

/* Reads the contexts of one process that dump_aio had no room for. */
SEC("iter/task")
int more_aio(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *t, *cur;
	struct seq_file *seq = ctx->meta->seq;
	struct reader_ns ns;
	struct aio_place *c;
	__u32 pid;

	if (!task)
		return emit_end(seq);
	cur = bpf_get_current_task_btf();
	c = bpf_task_storage_get(&aio_cursor, cur->group_leader, 0, 0);
	if (!c)
		return 0;
	t = plain(struct task_struct, task);
	ns = reader_pidns();
	pid = pid_in(t->thread_pid, &ns);
	return pid == c->pid ? emit_contexts(seq, t, pid, c->skip) : 0;
}
