/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fragments of kernel types that the programs read. Only the fields that
 * are used; CO-RE finds where the running kernel has them.
 */
#ifndef FASTCR_KERNEL_H
#define FASTCR_KERNEL_H

#include <linux/types.h>
#include <stdbool.h>

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

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

#pragma clang attribute pop

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#endif
