/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* iter/task: every thread's own state. */
#include "kernel.h"
#include "records.h"
#include "emit.h"
#include "pidns.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

DEFINE_EMIT(thread_rec)

SEC("iter/task")
int dump_thread(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct seq_file *seq = ctx->meta->seq;
	struct thread_rec r = {};
	struct reader_ns ns;
	void *regs;

	if (!t)
		return 0;
	ns = reader_pidns();
	r.head.type = REC_THREAD;
	r.head.len = sizeof(r);
	r.tid = pid_in(BPF_CORE_READ(t, thread_pid), &ns);
	r.tgid = pid_in(BPF_CORE_READ(t, group_leader, thread_pid), &ns);
	BPF_CORE_READ_INTO(&r.comm, t, comm);
	regs = (void *)bpf_task_pt_regs(t);
	if (regs)
		bpf_probe_read_kernel(r.regs, sizeof(r.regs), regs);
	emit_thread_rec(seq, &r);
	return 0;
}
