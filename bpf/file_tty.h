/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Terminals. */
#ifndef FASTCR_FILE_TTY_H
#define FASTCR_FILE_TTY_H

#include "emit.h"
#include "drift.h"
#include "pidns.h"

DEFINE_EMIT(file_tty)
DEFINE_EMIT(file_tty_data)

#define N_TTY 0 /* the usual line discipline */

/*
 * A character device's terminal, or 0. Devices cannot be told apart by their
 * operations' addresses; but private_data of a terminal's file points to what
 * points back to the file, and of the terminal to a driver of its index.
 */
static __always_inline struct tty_struct *file_tty(struct file *file)
{
	struct tty_file_private *priv = BPF_CORE_READ(file, private_data);

	if (!priv || BPF_CORE_READ(priv, file) != file)
		return 0;
	return BPF_CORE_READ(priv, tty);
}

/* TTY_* became an enum and were renumbered; kernel.h has the macros' values. */
#define tty_bit(flags, bit)                                                         \
	((flags) >> (bpf_core_enum_value_exists(enum tty_struct_flags, bit) ?       \
			     bpf_core_enum_value(enum tty_struct_flags, bit) : (bit)) & 1)

static __always_inline void fill_modes(__u32 *words, __u8 *cc, __u32 *line, struct ktermios *k)
{
	words[0] = BPF_CORE_READ(k, c_iflag);
	words[1] = BPF_CORE_READ(k, c_oflag);
	words[2] = BPF_CORE_READ(k, c_cflag);
	words[3] = BPF_CORE_READ(k, c_lflag);
	words[4] = BPF_CORE_READ(k, c_ispeed);
	words[5] = BPF_CORE_READ(k, c_ospeed);
	*line = BPF_CORE_READ(k, c_line);
	bpf_core_read(cc, sizeof(k->c_cc), &k->c_cc);
}

#define PARMRK 0000010 /* termios.c_iflag */
#define ICANON 0000002 /* termios.c_lflag */

/* Whether bytes wait that are not in the ring: a kernel worker puts them there. */
static __always_inline int tty_waits(struct tty_struct *t)
{
	struct tty_buffer *head = BPF_CORE_READ(t, port, buf.head), *tail = BPF_CORE_READ(t, port, buf.tail);

	return head && (head != tail || BPF_CORE_READ(head, commit) != BPF_CORE_READ(head, read));
}

/* Whether the worker finds no room, as n_tty_receive_buf_common reckons it. */
static __always_inline int tty_full(struct tty_struct *t, struct n_tty_data *n, const struct file_tty_data *r)
{
	__u64 room = TTY_QUEUE - (r->read_head - r->read_tail);

	if (BPF_CORE_READ(t, termios.c_iflag) & PARMRK)
		room = (room + 2) / 3;
	if (room > 1)
		return 0;
	/* A line without an end loses what is too much of it. */
	return !(BPF_CORE_READ(t, termios.c_lflag) & ICANON) || BPF_CORE_READ(n, canon_head) != r->read_tail;
}

/* What waits to be read from a pty's side; ring is TTY_QUEUE bytes of memory. */
static __always_inline void emit_tty_data(struct seq_file *seq, struct file *file, struct tty_struct *t, void *ring)
{
	struct file_tty_data r = { .head = { REC_FILE_TTY_DATA, sizeof(r) + TTY_QUEUE + TTY_QUEUE / 8 }, .file = (__u64)file };
	struct n_tty_data *n = BPF_CORE_READ(t, disc_data);
	int waits;

	if (!n || BPF_CORE_READ(t, termios.c_line) != N_TTY)
		return;
	waits = tty_waits(t); /* before the ring: what is put into it meanwhile is not missed */
	r.read_head = BPF_CORE_READ(n, read_head);
	r.read_tail = BPF_CORE_READ(n, read_tail);
	if (waits)
		r.more = tty_full(t, n, &r) ? TTY_STAYS : TTY_MOVES;
	if (r.read_head == r.read_tail && !r.more)
		return;
	if (bpf_core_read(ring, TTY_QUEUE, &n->read_buf))
		return;
	emit_file_tty_data(seq, &r);
	bpf_seq_write(seq, ring, TTY_QUEUE);
	if (bpf_core_read(ring, TTY_QUEUE / 8, &n->read_flags))
		__builtin_memset(ring, 0, TTY_QUEUE / 8);
	bpf_seq_write(seq, ring, TTY_QUEUE / 8);
}

#define PTY_MASTER 1

static __noinline int emit_tty(struct seq_file *seq, struct file *file, const struct reader_ns *ns, struct file_tty *r)
{
	struct tty_struct *t = file_tty(file), *link, *real;
	struct tty_driver *driver;
	struct list_head *files;

	if (!t || !ns || !r)
		return 0;
	driver = BPF_CORE_READ(t, driver);
	link = BPF_CORE_READ(t, link);
	__builtin_memset(r, 0, sizeof(*r));
	r->head.type = REC_FILE_TTY;
	r->head.len = sizeof(*r);
	r->file = (__u64)file;
	r->object = (__u64)t;
	r->link = (__u64)link;
	r->flags = BPF_CORE_READ(t, flags);
	r->type = tty_type(driver);
	r->subtype = tty_subtype(driver);
	r->index = BPF_CORE_READ(t, index);
	r->major = BPF_CORE_READ(driver, major);
	r->minor_start = BPF_CORE_READ(driver, minor_start);
	r->count = BPF_CORE_READ(t, count);
	r->packet = BPF_CORE_READ(t, ctrl.packet);
	r->exclusive = tty_bit(r->flags, TTY_EXCLUSIVE);
	r->locked = tty_bit(r->flags, TTY_PTY_LOCK);
	/* What is left of a hung up file are operations that cannot be opened or spliced. */
	r->hung = !BPF_CORE_READ(file, f_op, open) && !BPF_CORE_READ(file, f_op, splice_read);
	if (link) {
		files = __builtin_preserve_access_index(&link->tty_files);
		r->other_closed = BPF_CORE_READ(files, next) == files;
	}
	real = link && r->type == TTY_DRIVER_TYPE_PTY && r->subtype == PTY_MASTER ? link : t;
	r->pgrp = pid_in(BPF_CORE_READ(real, ctrl.pgrp), ns);
	r->session = pid_in(BPF_CORE_READ(real, ctrl.session), ns);
	BPF_CORE_READ_INTO(&r->winsize, real, winsize);
	fill_modes(r->termios, r->cc, &r->line, __builtin_preserve_access_index(&real->termios));
	fill_modes(r->termios_locked, r->cc_locked, &r->line_locked, __builtin_preserve_access_index(&real->termios_locked));
	emit_file_tty(seq, r);
	if (r->type == TTY_DRIVER_TYPE_PTY)
		emit_tty_data(seq, file, t, r);
	return 0;
}

#endif
