/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fragments of kernel types that the programs read. Only the fields that
 * are used; CO-RE finds where the running kernel has them.
 */
#ifndef FASTCR_KERNEL_H
#define FASTCR_KERNEL_H

#include "kernel_socket.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#endif
