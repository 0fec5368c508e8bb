/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A thread's chain of seccomp filters, as the programs were handed in. */
#ifndef FASTCR_SECCOMP_H
#define FASTCR_SECCOMP_H

#include "thread.h"

#define INSNS_ONCE 256	  /* instructions a record */
#define SECCOMP_RECORDS 12 /* records a call: below a seq_file's 32 KiB */
#define FLAG_LOG 2	  /* SECCOMP_FILTER_FLAG_LOG */

DEFINE_EMIT(thread_seccomp)

struct seccomp_walk {
	struct seq_file *seq;
	struct thread_scratch *s;
	struct thread_id id;
	struct seccomp_filter *filter;
	__u64 first; /* instruction */
};

/* One record: a filter, or the next part of it. */
static long seccomp_step(__u32 i, struct seccomp_walk *w)
{
	struct seccomp_filter *f = w->filter;
	struct thread_seccomp r = {};
	struct sock_fprog_kern *orig;
	__u64 n;

	if (!f)
		return 1;
	orig = BPF_CORE_READ(f, prog, orig_prog);
	r.head.type = REC_THREAD_SECCOMP;
	r.tgid = w->id.tgid;
	r.tid = w->id.tid;
	r.filter = (__u64)f;
	r.prev = (__u64)BPF_CORE_READ(f, prev);
	r.len = orig ? BPF_CORE_READ(orig, len) : 0;
	r.flags = BPF_CORE_READ(f, log) ? FLAG_LOG : 0;
	r.first = w->first;
	n = r.len > w->first ? r.len - w->first : 0;
	if (n > INSNS_ONCE)
		n = INSNS_ONCE;
	barrier_var(n);
	n &= 2 * INSNS_ONCE - 1;
	if (n && bpf_probe_read_kernel(w->s->data, n * 8,
				       (void *)BPF_CORE_READ(orig, filter) + w->first * 8))
		return 1;
	r.n = n;
	r.head.len = sizeof(r) + n * 8;
	emit_thread_seccomp(w->seq, &r);
	bpf_seq_write(w->seq, w->s->data, n * 8);
	w->first += n;
	if (w->first >= r.len) {
		w->filter = (struct seccomp_filter *)r.prev;
		w->first = 0;
	}
	return 0;
}

/* Emits filters from instruction first of filter on, as many as one call may. */
static __always_inline void emit_seccomp(struct seq_file *seq, struct thread_id id,
					 struct seccomp_filter *filter, __u64 first,
					 struct thread_scratch *s)
{
	struct seccomp_walk w = {
		.seq = seq, .s = s, .id = id, .filter = filter, .first = first,
	};

	bpf_loop(SECCOMP_RECORDS, seccomp_step, &w, 0);
}

#endif
