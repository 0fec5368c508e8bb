/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Pipes and FIFOs. */
#ifndef FASTCR_FILE_PIPE_H
#define FASTCR_FILE_PIPE_H

#include "emit.h"
#include "drift.h"

#define PAGE_SIZE 4096
#define PIPE_BUF_FLAG_PACKET 8
#define PIPE_MOST (1 << 20) /* buffers: 4 GiB */

DEFINE_EMIT(file_pipe)

struct pipe_walk {
	struct pipe_buffer *bufs;
	__u32 tail, n, mask;
	__u32 bytes, packets;
};

static long pipe_step(__u32 i, struct pipe_walk *w)
{
	struct pipe_buffer *b;

	if (i >= w->n)
		return 1;
	b = (void *)w->bufs + ((w->tail + i) & w->mask) * (__u64)bpf_core_type_size(struct pipe_buffer);
	w->bytes += BPF_CORE_READ(b, len);
	if (BPF_CORE_READ(b, flags) & PIPE_BUF_FLAG_PACKET)
		w->packets = 1;
	return 0;
}

static __noinline int emit_pipe(struct seq_file *seq, struct file *file)
{
	struct pipe_inode_info *p = BPF_CORE_READ(file, f_inode, i_pipe);
	struct file_pipe r = { .head = { REC_FILE_PIPE, sizeof(r) }, .file = (__u64)file, .object = (__u64)p };
	struct pipe_walk w = {};

	if (!p)
		return 0;
	r.readers = BPF_CORE_READ(p, readers);
	r.writers = BPF_CORE_READ(p, writers);
	r.ring = BPF_CORE_READ(p, max_usage) * PAGE_SIZE;
	r.watch_queue = pipe_is_watch_queue(p);
	w.bufs = BPF_CORE_READ(p, bufs);
	w.tail = BPF_CORE_READ(p, tail);
	w.n = BPF_CORE_READ(p, head) - w.tail;
	w.mask = BPF_CORE_READ(p, ring_size) - 1;
	if (w.n)
		bpf_loop(PIPE_MOST, pipe_step, &w, 0);
	r.bytes = w.bytes;
	r.packets = w.packets;
	return emit_file_pipe(seq, &r);
}

#endif
