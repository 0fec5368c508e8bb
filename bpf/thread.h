/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the two programs of thread.bpf.c share: scratch memory and sub-records. */
#ifndef FASTCR_THREAD_H
#define FASTCR_THREAD_H

#include "kernel.h"
#include "records.h"
#include "emit.h"
#include "drift.h"
#include "pidns.h"

#define SIGINFO_SIZE 48
#define SIGQUEUE_PREALLOC 1
#define SIGINFO_ONCE 128 /* signals a call */
#define GROUPS_ONCE 512 /* groups a record */
#define SCRATCH_DATA 2944 /* bytes: FPU state without AMX fits at once */

/*
 * A record too large for the stack. It belongs to the reading thread, so that
 * no other reader of the same (perhaps pinned) program can write into it, and
 * it goes with that thread. Small: some kernels cap such memory at 8 KiB.
 */
struct thread_scratch {
	struct thread_rec rec;
	__u8 data[SCRATCH_DATA];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_scratch);
} thread_scratch SEC(".maps");

DEFINE_EMIT(thread_siginfo)
DEFINE_EMIT(thread_groups)

/* Who a sub-record belongs to. */
struct thread_id {
	__u32 tgid, tid;
};

struct siginfo_walk {
	struct seq_file *seq;
	struct thread_id id;
	struct list_head *head, *next;
	__u32 skip, n;
};

/* Bounds are on i, which the verifier takes as unknown: a count of its own would be followed value by value. */

static long siginfo_step(__u32 i, struct siginfo_walk *w)
{
	struct thread_siginfo r;
	struct sigqueue *q;

	if (w->next == w->head || !w->next)
		return 1;
	q = (void *)w->next - bpf_core_field_offset(struct sigqueue, list);
	w->next = BPF_CORE_READ(q, list.next);
	if (i < w->skip)
		return 0;
	r.head.type = REC_THREAD_SIGINFO;
	r.head.len = sizeof(r);
	r.tgid = w->id.tgid;
	r.tid = w->id.tid;
	r.place = i;
	r.preallocated = BPF_CORE_READ(q, flags) & SIGQUEUE_PREALLOC;
	if (bpf_probe_read_kernel(r.info, SIGINFO_SIZE, &q->info))
		return 1;
	emit_thread_siginfo(w->seq, &r);
	w->n++;
	return 0;
}

/* Emits at most SIGINFO_ONCE queued signals from place skip on; left says that there are more. */
static __always_inline __u32 emit_siginfo(struct seq_file *seq, struct thread_id id,
					  struct list_head *head, __u32 skip, bool *left)
{
	struct siginfo_walk w = {
		.seq = seq, .id = id, .head = head, .skip = skip,
	};

	w.next = BPF_CORE_READ(head, next);
	if (w.next != w.head)
		bpf_loop(skip + SIGINFO_ONCE, siginfo_step, &w, 0);
	*left = w.next != w.head;
	return w.n;
}

/* Emits at most GROUPS_ONCE groups from the first on. */
static __always_inline __u32 emit_groups(struct seq_file *seq, struct thread_id id,
					 struct group_info *gi, __u32 first, __u32 total,
					 struct thread_scratch *s)
{
	struct thread_groups r = {};
	__u64 n = total > first ? total - first : 0;

	if (n > GROUPS_ONCE)
		n = GROUPS_ONCE;
	if (!n)
		return 0;
	barrier_var(n);
	n &= 2 * GROUPS_ONCE - 1;
	if (bpf_probe_read_kernel(s->data, n * 4, (void *)&gi->gid[0] + first * 4ULL))
		return 0;
	r.head.type = REC_THREAD_GROUPS;
	r.head.len = sizeof(r) + ((n * 4 + 7) & ~7ULL);
	r.tgid = id.tgid;
	r.tid = id.tid;
	r.n = n;
	r.first = first;
	emit_thread_groups(seq, &r);
	bpf_seq_write(seq, s->data, (n * 4 + 7) & ~7ULL);
	return n;
}

#endif
