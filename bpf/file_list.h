/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Lists that a file may have: of watches, marks, locks. One program call writes
 * a bounded part of a list and then says where more_file goes on.
 */
#ifndef FASTCR_FILE_LIST_H
#define FASTCR_FILE_LIST_H

#include "emit.h"
#include "drift.h"

DEFINE_EMIT(file_more)

#define LIST_STEPS (1 << 22) /* steps a call */

/*
 * Whose list, through which descriptor it was met, and how far the walk has
 * come. It lies in a map's memory: what is on the stack the verifier would
 * follow from value to value, through every step of the walk.
 */
struct list_walk {
	__u64 file, table; /* addresses */
	__u32 tgid, tid, fd;
	__u32 raw_tgid; /* in the initial namespace */
	__u64 again;	/* more_file: say also that the list is complete */

	__u64 object;	  /* whose list it is */
	__u64 head, next; /* addresses in it */
	__u64 place, skip; /* entries */
	__u64 n, most;	   /* entries written in this call; bytes where they have names */
	__u64 at, len;	   /* the dentry whose name is next, and bytes of names */
	__u32 state;
	__u32 changed; /* enum list_change */
};

struct list_ctx {
	struct seq_file *seq;
	struct list_walk *w;
	char *text; /* PATH_MOST bytes for names */
};

static __always_inline void list_more(struct seq_file *seq, const struct list_walk *w, __u32 type, __u64 next, __u64 skip)
{
	struct file_more r = { .head = { REC_FILE_MORE, sizeof(r) } };

	if (!w->again && !next && !skip && !w->changed)
		return;
	r.file = w->file;
	r.tgid = w->tgid;
	r.tid = w->tid;
	r.fd = w->fd;
	r.type = type;
	r.next = next;
	r.skip = skip;
	r.changed = w->changed;
	emit_file_more(seq, &r);
}

#endif
