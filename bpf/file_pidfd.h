/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Whose pidfd an open file is. */
#ifndef FASTCR_FILE_PIDFD_H
#define FASTCR_FILE_PIDFD_H

#include "emit.h"
#include "pidns.h"

DEFINE_EMIT(file_pidfd)

/* v6.9 (cb12fd8e0dab) gave pidfds a file system of their own, whose inodes know the pid. */
static __noinline int emit_pidfd(struct seq_file *seq, struct file *file, bool pidfs, const struct reader_ns *ns)
{
	struct file_pidfd r = { .head = { REC_FILE_PIDFD, sizeof(r) }, .file = (__u64)file };
	struct pid *pid;

	if (!ns)
		return 0;
	if (pidfs)
		pid = BPF_CORE_READ(file, f_inode, i_private);
	else
		pid = BPF_CORE_READ(file, private_data);
	r.object = (__u64)pid;
	r.pid = pid_in(pid, ns);
	r.dead = !BPF_CORE_READ(pid, tasks[0].first);
	return emit_file_pidfd(seq, &r);
}

#endif
