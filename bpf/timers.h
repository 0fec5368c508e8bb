/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Interval and POSIX timers: when they expire, and what their clock says now. */
#ifndef FASTCR_TIMERS_H
#define FASTCR_TIMERS_H

#include "kernel.h"
#include "records.h"
#include "drift.h"
#include "pidns.h"

#define CLOCK_REALTIME_ALARM 8
#define CLOCK_BOOTTIME_ALARM 9
#define CPUCLOCK_CLOCK_MASK 3
#define CPUCLOCK_PERTHREAD 4
#define CPUCLOCK_PROF 0
#define CPUCLOCK_VIRT 1
#define PIDTYPE_PID 0
#define PIDTYPE_TGID 1

/* The time of the clock that an hrtimer is on: its base's distance from the monotonic one is offset. */
static __always_inline __s64 hrtimer_now(struct hrtimer *t)
{
	return (__s64)bpf_ktime_get_ns() + BPF_CORE_READ(t, base, offset);
}

/* Time left on an armed hrtimer, at least 1 ns when it is due. */
static __always_inline __s64 hrtimer_left(struct hrtimer *t)
{
	__s64 left = BPF_CORE_READ(t, node.expires) - hrtimer_now(t);

	return left > 0 ? left : 1;
}

static __always_inline void fill_itimers(struct process_itimer *out, struct signal_struct *sig)
{
	struct hrtimer *real = __builtin_preserve_access_index(&sig->real_timer);
	__s64 utime = sig->cputimer.cputime_atomic.utime.counter;
	__s64 stime = sig->cputimer.cputime_atomic.stime.counter;

	out[0].interval = sig->it_real_incr;
	out[0].expires = BPF_CORE_READ(real, node.expires);
	out[0].now = hrtimer_now(real);
	out[0].armed = BPF_CORE_READ(real, state);
	out[1].interval = sig->it[CPUCLOCK_VIRT].incr;
	out[1].expires = out[1].armed = sig->it[CPUCLOCK_VIRT].expires;
	out[1].now = utime;
	out[2].interval = sig->it[CPUCLOCK_PROF].incr;
	out[2].expires = out[2].armed = sig->it[CPUCLOCK_PROF].expires;
	out[2].now = utime + stime;
}

/* The task that pid is as a thread (PIDTYPE_PID) or as a thread group (PIDTYPE_TGID). */
static __always_inline struct task_struct *task_of(struct pid *pid, __u32 type)
{
	void *first = 0;

	if (!pid)
		return 0;
	bpf_probe_read_kernel(&first, sizeof(first),
			      (void *)pid + bpf_core_field_offset(struct pid, tasks) + type * sizeof(struct hlist_head));
	if (!first)
		return 0;
	return first - bpf_core_field_offset(struct task_struct, pid_links) - type * sizeof(struct hlist_node);
}

static __always_inline __s64 cpu_sum(__u32 which, __s64 utime, __s64 stime, __s64 runtime)
{
	if (which == CPUCLOCK_PROF)
		return utime + stime;
	return which == CPUCLOCK_VIRT ? utime : runtime;
}

/* What a CPU timer's clock says: a thread's, or a whole process's as the armed timer has the kernel count it. */
static __always_inline __s64 cpu_clock(struct k_itimer *k)
{
	__u32 clock = BPF_CORE_READ(k, it_clock), which = clock & CPUCLOCK_CLOCK_MASK;
	struct pid *pid = BPF_CORE_READ(k, it.cpu.pid);
	struct task_cputime_atomic *c;
	struct signal_struct *sig;
	struct task_struct *t;

	if (clock & CPUCLOCK_PERTHREAD) {
		t = task_of(pid, PIDTYPE_PID);
		return cpu_sum(which, BPF_CORE_READ(t, utime), BPF_CORE_READ(t, stime), BPF_CORE_READ(t, se.sum_exec_runtime));
	}
	t = task_of(pid, PIDTYPE_TGID);
	sig = BPF_CORE_READ(t, signal);
	c = __builtin_preserve_access_index(&sig->cputimer.cputime_atomic);
	return cpu_sum(which, BPF_CORE_READ(c, utime.counter), BPF_CORE_READ(c, stime.counter),
		       BPF_CORE_READ(c, sum_exec_runtime.counter));
}

static __always_inline void fill_times(struct process_timer *r, struct k_itimer *k)
{
	struct hrtimer *t;

	if (r->clock < 0) {
		r->expires = BPF_CORE_READ(k, it.cpu.node.expires);
		r->now = cpu_clock(k);
		return;
	}
	if (r->clock == CLOCK_REALTIME_ALARM || r->clock == CLOCK_BOOTTIME_ALARM) {
		t = __builtin_preserve_access_index(&k->it.alarm.alarmtimer.timer);
		r->expires = BPF_CORE_READ(k, it.alarm.alarmtimer.node.expires);
	} else {
		t = __builtin_preserve_access_index(&k->it.real.timer);
		r->expires = BPF_CORE_READ(t, node.expires);
	}
	r->now = hrtimer_now(t);
}

static __always_inline void fill_timer(struct process_timer *r, struct k_itimer *k, const struct reader_ns *ns)
{
	/* struct kernel_siginfo of a timer */
	struct {
		__s32 signo, err, code, pad, tid, overrun;
		__u64 value;
	} info = {};

	r->id = BPF_CORE_READ(k, it_id);
	r->clock = BPF_CORE_READ(k, it_clock);
	r->notify = BPF_CORE_READ(k, it_sigev_notify);
	r->status = timer_status(k);
	r->stale = timer_signal_stale(k);
	r->overrun = BPF_CORE_READ(k, it_overrun);
	r->overrun_last = BPF_CORE_READ(k, it_overrun_last);
	r->interval = BPF_CORE_READ(k, it_interval);
	r->notify_tid = pid_in(BPF_CORE_READ(k, it_pid), ns);
	bpf_probe_read_kernel(&info, sizeof(info), timer_siginfo(k));
	r->signo = info.signo;
	r->sigval = info.value;
	fill_times(r, k);
}

#endif
