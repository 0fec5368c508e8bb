/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Address spaces. */
#ifndef FASTCR_KERNEL_MM_H
#define FASTCR_KERNEL_MM_H

#include "kernel_fs.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct vm_special_mapping {
	const char *name;
};

struct anon_vma_name {
	char name[1];
};

struct anon_vma {
	struct anon_vma *parent;
	unsigned long num_children;
};

struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct anon_vma *anon_vma;
	const void *vm_ops;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
	void *vm_private_data;
	struct {
		struct {
			void *rb_left;
		} rb;
	} shared;
	struct anon_vma_name *anon_name;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	void *vdso;
} mm_context_t;

struct kioctx_table;

struct mm_struct {
	atomic_t membarrier_state;
	unsigned long start_code, end_code, start_data, end_data;
	unsigned long start_brk, brk, start_stack;
	unsigned long arg_start, arg_end, env_start, env_end;
	unsigned long def_flags; /* VM_* of mappings to come */
	unsigned long saved_auxv[46];
	struct kioctx_table *ioctx_table;
	struct file *exe_file;
};

#pragma clang attribute pop

#endif
