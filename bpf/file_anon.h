/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Anonymous inodes: which is which, and eventfd, signalfd, timerfd. */
#ifndef FASTCR_FILE_ANON_H
#define FASTCR_FILE_ANON_H

#include "emit.h"
#include "drift.h"

DEFINE_EMIT(file_counter)
DEFINE_EMIT(file_timer)

/* Names of anonymous inodes, eight characters as a little-endian word. */
#define NAME8(a, b, c, d, e, f, g, h)                                                                             \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 | \
	 (__u64)(g) << 48 | (__u64)(h) << 56)

/* The rest is told apart by its whole name, by who reads the record. */
static __always_inline __u32 anon_what(struct dentry *d)
{
	__u64 name = 0;

	bpf_probe_read_kernel(&name, sizeof(name), BPF_CORE_READ(d, d_name.name));
	switch (name) {
	case NAME8('[', 'e', 'v', 'e', 'n', 't', 'f', 'd'):
		return FILE_EVENTFD;
	case NAME8('[', 'e', 'v', 'e', 'n', 't', 'p', 'o'):
		return FILE_EPOLL;
	case NAME8('[', 's', 'i', 'g', 'n', 'a', 'l', 'f'):
		return FILE_SIGNALFD;
	case NAME8('[', 't', 'i', 'm', 'e', 'r', 'f', 'd'):
		return FILE_TIMERFD;
	case NAME8('[', 'f', 'a', 'n', 'o', 't', 'i', 'f'):
		return FILE_FANOTIFY;
	case NAME8('[', 'p', 'i', 'd', 'f', 'd', ']', 0):
		return FILE_PIDFD;
	case NAME8('i', 'n', 'o', 't', 'i', 'f', 'y', 0):
		return FILE_INOTIFY;
	}
	return FILE_PLAIN;
}

static __noinline int emit_eventfd(struct seq_file *seq, struct file *file)
{
	struct eventfd_ctx *c = BPF_CORE_READ(file, private_data);
	struct file_counter r = { .head = { REC_FILE_COUNTER, sizeof(r) }, .file = (__u64)file };

	r.value = BPF_CORE_READ(c, count);
	r.flags = BPF_CORE_READ(c, flags);
	return emit_file_counter(seq, &r);
}

/* The kernel keeps the signals that a signalfd does not take. */
static __noinline int emit_signalfd(struct seq_file *seq, struct file *file)
{
	struct signalfd_ctx *c = BPF_CORE_READ(file, private_data);
	struct file_counter r = { .head = { REC_FILE_COUNTER, sizeof(r) }, .file = (__u64)file };

	r.value = ~BPF_CORE_READ(c, sigmask.sig[0]);
	return emit_file_counter(seq, &r);
}

#define CLOCK_REALTIME_ALARM 8
#define CLOCK_BOOTTIME_ALARM 9

static __noinline int emit_timerfd(struct seq_file *seq, struct file *file)
{
	struct timerfd_ctx *t = BPF_CORE_READ(file, private_data);
	struct file_timer r = { .head = { REC_FILE_TIMER, sizeof(r) }, .file = (__u64)file };
	struct alarm *alarm = __builtin_preserve_access_index(&t->t.alarm);
	struct hrtimer *timer = __builtin_preserve_access_index(&t->t.tmr);
	struct hrtimer_clock_base *base;
	__s64 expires;

	r.clock = BPF_CORE_READ(t, clockid);
	r.flags = BPF_CORE_READ(t, settime_flags);
	r.ticks = BPF_CORE_READ(t, ticks);
	r.interval = BPF_CORE_READ(t, tintv);
	r.expired = BPF_CORE_READ(t, expired);
	if (r.clock == CLOCK_REALTIME_ALARM || r.clock == CLOCK_BOOTTIME_ALARM) {
		expires = BPF_CORE_READ(alarm, node.expires);
		timer = __builtin_preserve_access_index(&alarm->timer);
	} else {
		expires = BPF_CORE_READ(timer, node.expires);
	}
	base = BPF_CORE_READ(timer, base);
	r.armed = BPF_CORE_READ(timer, state) || BPF_CORE_READ(base, running) == timer;
	r.left = expires - (__s64)bpf_ktime_get_ns() - BPF_CORE_READ(base, offset);
	return emit_file_timer(seq, &r);
}

#endif
