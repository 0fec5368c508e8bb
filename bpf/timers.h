/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Interval and POSIX timers: what is left of them now. */
#ifndef FASTCR_TIMERS_H
#define FASTCR_TIMERS_H

#include "kernel.h"
#include "records.h"
#include "drift.h"
#include "pidns.h"

#define TIMER_PENDING 2 /* POSIX_TIMER_REQUEUE_PENDING: the signal is queued, the timer not armed */
#define SIGEV_NONE 1
#define CPUCLOCK_CLOCK_MASK 3
#define CPUCLOCK_PERTHREAD 4

/*
 * Time left on an hrtimer, at least 1 ns when it is due. Its expiry is on the
 * clock of its base, whose distance from the monotonic clock is offset.
 */
static __always_inline __s64 hrtimer_left(struct hrtimer *t)
{
	__s64 left = BPF_CORE_READ(t, node.expires) - (__s64)bpf_ktime_get_ns() - BPF_CORE_READ(t, base, offset);

	return left > 0 ? left : 1;
}

/* An armed CPU timer's time left, given the clock's time. */
static __always_inline __s64 cpu_left(__u64 expires, __u64 now)
{
	if (!expires)
		return 0;
	return expires > now ? expires - now : 1;
}

static __always_inline void fill_itimers(__s64 *out, struct signal_struct *sig)
{
	struct hrtimer *real = __builtin_preserve_access_index(&sig->real_timer);
	__u64 utime = sig->cputimer.cputime_atomic.utime.counter;
	__u64 stime = sig->cputimer.cputime_atomic.stime.counter;

	out[0] = sig->it_real_incr;
	out[1] = BPF_CORE_READ(real, state) ? hrtimer_left(real) : 0;
	out[2] = sig->it[1].incr;
	out[3] = cpu_left(sig->it[1].expires, utime);
	out[4] = sig->it[0].incr;
	out[5] = cpu_left(sig->it[0].expires, utime + stime);
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct k_itimer___value {
	struct sigqueue sigq;
};

struct k_itimer___pointer {
	struct sigqueue *sigq;
};

#pragma clang attribute pop

/* A list_head before v6.11 (e3bd9d6ccb17); the first entry either way, as the node in it. */
static __always_inline struct hlist_node *timers_first(struct signal_struct *sig)
{
	return BPF_CORE_READ(sig, posix_timers.first);
}

/* The CPU time of the clock that a CPU timer runs on; other processes' clocks are not read. */
static __always_inline __u64 cpu_clock(struct k_itimer *k, struct signal_struct *sig)
{
	__u32 clock = BPF_CORE_READ(k, it_clock);
	struct task_cputime_atomic *c = __builtin_preserve_access_index(&sig->cputimer.cputime_atomic);

	switch (clock & CPUCLOCK_CLOCK_MASK) {
	case 0:
		return BPF_CORE_READ(c, utime.counter) + BPF_CORE_READ(c, stime.counter);
	case 1:
		return BPF_CORE_READ(c, utime.counter);
	}
	return BPF_CORE_READ(c, sum_exec_runtime.counter);
}

static __always_inline void fill_timer(struct process_timer *r, struct k_itimer *k, struct signal_struct *sig,
				       const struct reader_ns *ns)
{
	struct k_itimer___value *v = (void *)k;
	struct k_itimer___pointer *p = (void *)k;
	struct sigqueue *q;
	struct {
		__s32 signo, err, code, pad, tid, overrun;
		__u64 value;
	} info = {};

	r->id = BPF_CORE_READ(k, it_id);
	r->clock = BPF_CORE_READ(k, it_clock);
	r->notify = BPF_CORE_READ(k, it_sigev_notify);
	r->status = BPF_CORE_READ(k, it_status);
	r->overrun = BPF_CORE_READ(k, it_overrun);
	r->interval = BPF_CORE_READ(k, it_interval);
	r->notify_tid = pid_in(BPF_CORE_READ(k, it_pid), ns);
	/* struct sigqueue, or a pointer to one before v6.13 (6017a158beb1) */
	if (bpf_core_field_size(v->sigq) > 8) {
		bpf_probe_read_kernel(&info, sizeof(info), __builtin_preserve_access_index(&v->sigq.info));
	} else {
		q = BPF_CORE_READ(p, sigq);
		bpf_probe_read_kernel(&info, sizeof(info), __builtin_preserve_access_index(&q->info));
	}
	r->signo = info.signo;
	r->sigval = info.value;
	r->value = 0;
	if (!r->status)
		return;
	if (r->clock < 0 || r->clock == 2 || r->clock == 3)
		r->value = cpu_left(BPF_CORE_READ(k, it.cpu.node.expires), cpu_clock(k, sig));
	else
		r->value = hrtimer_left(__builtin_preserve_access_index(&k->it.real.timer));
}

#endif
