/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What every program shares: how a record leaves through the iterator's seq_file. */
#ifndef FASTCR_EMIT_H
#define FASTCR_EMIT_H

#include "kernel.h"
#include "records.h"

/*
 * A record type that is used only through bpf_seq_write's void pointer is
 * missing from BTF; a static __noinline emitter per type keeps it.
 */
#define DEFINE_EMIT(name)                                                      \
	static __noinline int emit_##name(struct seq_file *seq, struct name *r) \
	{                                                                      \
		return bpf_seq_write(seq, r, sizeof(*r));                      \
	}

/*
 * An iterator calls its program once more, with nothing, when all is done. The
 * mark that this leaves spares the reader another read(2) to find out.
 */
static __noinline int emit_end(struct seq_file *seq)
{
	struct rec_head end = { .type = REC_END, .len = sizeof(end) };

	bpf_seq_write(seq, &end, sizeof(end));
	return 0;
}

#endif
