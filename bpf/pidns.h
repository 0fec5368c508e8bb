/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Pids as the reader's own pid namespace numbers them. An iterator runs in the
 * task that reads it, so the namespace is current's: nothing to configure, and
 * pinned programs serve readers in different namespaces at the same time.
 */
#ifndef FASTCR_PIDNS_H
#define FASTCR_PIDNS_H

#include "drift.h"

/* The reader's active pid namespace and its level. */
struct reader_ns {
	__u64 ns;
	__u32 level;
};

static __always_inline struct reader_ns reader_pidns(void)
{
	struct reader_ns r = {};
	struct task_struct *cur = plain(struct task_struct, bpf_get_current_task_btf());
	struct pid *pid = cur->thread_pid;
	struct upid u = {};

	r.level = pid->level;
	bpf_probe_read_kernel(&u, sizeof(u), (void *)&pid->numbers[0] + (r.level & 31) * sizeof(u));
	r.ns = (__u64)u.ns;
	return r;
}

/* The number of pid in the reader's namespace, 0 when it is not visible there. */
static __always_inline __u32 pid_in(struct pid *pid, const struct reader_ns *r)
{
	struct upid u = {};

	if (!pid || BPF_CORE_READ(pid, level) < r->level)
		return 0;
	bpf_probe_read_kernel(&u, sizeof(u), (void *)&pid->numbers[0] + (r->level & 31) * sizeof(u));
	return (__u64)u.ns == r->ns ? u.nr : 0;
}

#endif
