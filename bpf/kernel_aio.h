/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* AIO contexts, and counters that each processor has for itself. */
#ifndef FASTCR_KERNEL_AIO_H
#define FASTCR_KERNEL_AIO_H

#include "kernel_task.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct percpu_ref_data {
	atomic64_t count;
};

struct percpu_ref {
	unsigned long percpu_count_ptr; /* with flags in its lowest bits */
	struct percpu_ref_data *data;
};

struct kioctx {
	struct percpu_ref reqs;
	unsigned long user_id, mmap_size;
	unsigned int nr_events;
	struct {
		struct list_head active_reqs;
	};
	struct {
		unsigned int tail;
	};
	struct file *aio_ring_file;
};

struct kioctx_table {
	unsigned int nr;
	struct kioctx *table[0];
};

/* A map; of a per-CPU one the values are in pptrs. */
struct bpf_array {
	union {
		void *pptrs[0];
	};
};

#pragma clang attribute pop

#endif
