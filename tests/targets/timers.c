// SPDX-License-Identifier: Apache-2.0
/*
 * Interval timers and POSIX timers: armed with what is left, their intervals, their clocks,
 * signals, values and the thread that they notify; one that has expired into a blocked
 * signal; disarmed and deleted ones.
 */
#include "target.h"
#include <pthread.h>
#include <sys/time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
#define HOUR 3600

/* As the kernel numbers them: the library wraps the ids. */
static struct timer {
	const char *name;
	clockid_t clock;
	int notify, sig;
	long value_ms, interval_ms; /* value 0: disarmed; less than 1 s: fires at once */
	int deleted, absolute;
	int id;
	struct itimerspec at_dump;
	int64_t seen;
} timers[] = {
	{ "monotonic", CLOCK_MONOTONIC, SIGEV_SIGNAL, 40, HOUR * 1000, 500 },
	{ "deleted", CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0, 1 },
	{ "realtime", CLOCK_REALTIME, SIGEV_SIGNAL, 41, 2 * HOUR * 1000, 0 },
	{ "realtime, absolute", CLOCK_REALTIME, SIGEV_SIGNAL, 41, 2 * HOUR * 1000, 0, 0, 1 },
	{ "boottime", CLOCK_BOOTTIME, SIGEV_SIGNAL, 42, HOUR * 1000 + 500, 70000 },
	{ "process CPU time", CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 43, HOUR * 1000, 1000 },
	{ "thread CPU time", CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, 44, HOUR * 1000, 0 },
	{ "no notification", CLOCK_MONOTONIC, SIGEV_NONE, 0, HOUR * 1000, 333 },
	{ "one thread", CLOCK_MONOTONIC, SIGEV_SIGNAL | SIGEV_THREAD_ID, 45, HOUR * 1000, 250 },
	{ "disarmed", CLOCK_REALTIME, SIGEV_SIGNAL, 46, 0, 0 },
	{ "fired, with an interval", CLOCK_MONOTONIC, SIGEV_SIGNAL, 47, 20, 20 },
	{ "fired once", CLOCK_MONOTONIC, SIGEV_SIGNAL, 48, 20, 0 },
};
#define N (int)(sizeof(timers) / sizeof(timers[0]))

static pid_t other;
static volatile int over;

static int64_t ns(struct timespec t)
{
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct timespec ts(long ms)
{
	return (struct timespec){ ms / 1000, ms % 1000 * 1000000 };
}

static union sigval value_of(struct timer *t)
{
	return (union sigval){ .sival_ptr = (void *)(0xabcdef000000 + (t - timers)) };
}

static void *bystander(void *arg UNUSED)
{
	other = gettid();
	while (!over)
		pause_ms(10);
	return NULL;
}

static void make(struct timer *t)
{
	struct sigevent ev = { .sigev_notify = t->notify, .sigev_signo = t->sig, .sigev_value = value_of(t) };
	struct itimerspec it = { ts(t->interval_ms), ts(t->value_ms) };

	if (t->notify & SIGEV_THREAD_ID)
		ev.sigev_notify_thread_id = other;
	MUST(syscall(SYS_timer_create, t->clock, &ev, &t->id) == 0);
	if (t->absolute) {
		clock_gettime(t->clock, &it.it_value);
		it.it_value.tv_sec += t->value_ms / 1000;
	}
	MUST(syscall(SYS_timer_settime, t->id, t->absolute ? TIMER_ABSTIME : 0, &it, NULL) == 0);
	if (t->deleted)
		MUST(syscall(SYS_timer_delete, t->id) == 0);
}

static int64_t cpu_or_wall(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID ? clock : CLOCK_MONOTONIC, &t);
	return ns(t);
}

/* fired waits for one expiry of a timer whose signal is blocked. */
static void check_fired(struct timer *t)
{
	struct timespec patience = { 5, 0 };
	siginfo_t info;
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, t->sig);
	for (int i = 0; i < (t->interval_ms ? 3 : 1); i++) {
		memset(&info, 0, sizeof(info));
		CHECK(sigtimedwait(&s, &info, &patience) == t->sig, "timer %s: expiry %d does not come", t->name, i);
		CHECK(info.si_code == SI_TIMER && info.si_value.sival_ptr == value_of(t).sival_ptr,
		      "timer %s: code %d value %p", t->name, info.si_code, info.si_value.sival_ptr);
		CHECK(info.si_timerid == t->id, "timer %s: id %d, was %d", t->name, info.si_timerid, t->id);
	}
	patience.tv_sec = 0;
	if (!t->interval_ms)
		CHECK(sigtimedwait(&s, &info, &patience) < 0, "timer %s: one expiry too many", t->name);
}

/* check_left: no more is left than at the dump, and no less than the time that went by explains. */
static void check_left(struct timer *t)
{
	struct itimerspec it;
	int64_t passed, left, was = ns(t->at_dump.it_value);

	MUST(syscall(SYS_timer_gettime, t->id, &it) == 0);
	left = ns(it.it_value);
	passed = cpu_or_wall(t->clock) - t->seen;
	CHECK(ns(it.it_interval) == ns(t->at_dump.it_interval), "timer %s: interval %ld ns", t->name, (long)ns(it.it_interval));
	if (!t->value_ms) {
		CHECK(left == 0, "timer %s is armed", t->name);
		return;
	}
	/* CPU clocks of a restored program begin anew */
	CHECK(left <= was + 20000000 && left >= was - llabs(passed) - 2000000000, "timer %s: %ld ms left, were %ld", t->name,
	      (long)(left / 1000000), (long)(was / 1000000));
	CHECK(left > 0, "timer %s is disarmed", t->name);
}

static void check_notify(struct timer *t)
{
	struct itimerspec soon = { { 0, 0 }, { 0, 1000000 } };
	struct timespec patience = { 5, 0 };
	siginfo_t info = { 0 };
	uint64_t pending = 0;
	sigset_t s;

	if (t->clock == CLOCK_PROCESS_CPUTIME_ID || t->clock == CLOCK_THREAD_CPUTIME_ID || t->notify == SIGEV_NONE)
		return;
	MUST(syscall(SYS_timer_settime, t->id, 0, &soon, NULL) == 0);
	sigemptyset(&s);
	sigaddset(&s, t->sig);
	if (t->notify & SIGEV_THREAD_ID) { /* pending for the other thread, so not for us */
		char path[64], line[128];
		FILE *f;

		pause_ms(100);
		snprintf(path, sizeof(path), "/proc/self/task/%d/status", other);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "SigPnd: %lx", &pending) == 1)
				break;
		if (f)
			fclose(f);
		CHECK(pending == 1UL << (t->sig - 1), "timer %s: pending for the thread: %lx", t->name, pending);
		return;
	}
	CHECK(sigtimedwait(&s, &info, &patience) == t->sig && info.si_code == SI_TIMER &&
		      info.si_value.sival_ptr == value_of(t).sival_ptr,
	      "timer %s: signal %d code %d value %p", t->name, info.si_signo, info.si_code, info.si_value.sival_ptr);
}

static const struct {
	int which, sec, interval;
} itimers[] = { { ITIMER_REAL, 5000, 60 }, { ITIMER_VIRTUAL, 600, 7 }, { ITIMER_PROF, 700, 0 } };

static void check_itimers(void)
{
	for (int i = 0; i < 3; i++) {
		struct itimerval v;

		getitimer(itimers[i].which, &v);
		CHECK(v.it_interval.tv_sec == itimers[i].interval && v.it_interval.tv_usec == 0, "itimer %d: interval %ld.%06ld s", i,
		      v.it_interval.tv_sec, v.it_interval.tv_usec);
		CHECK(v.it_value.tv_sec <= itimers[i].sec && v.it_value.tv_sec >= itimers[i].sec - 100, "itimer %d: %ld s left", i,
		      v.it_value.tv_sec);
	}
}

int main(void)
{
	pthread_t thread;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	MUST(pthread_create(&thread, NULL, bystander, NULL) == 0);
	while (!*(volatile pid_t *)&other)
		pause_ms(1);
	for (int i = 0; i < 3; i++) {
		struct itimerval v = { { itimers[i].interval, 0 }, { itimers[i].sec, 0 } };

		MUST(setitimer(itimers[i].which, &v, NULL) == 0);
	}
	for (int i = 0; i < N; i++)
		make(&timers[i]);
	pause_ms(100); /* the quick ones fire */
	for (int i = 0; i < N; i++) {
		if (timers[i].deleted)
			continue;
		MUST(syscall(SYS_timer_gettime, timers[i].id, &timers[i].at_dump) == 0);
		timers[i].seen = cpu_or_wall(timers[i].clock);
	}
	ready();
	await_check();
	for (int i = 0; i < N; i++) {
		struct itimerspec it;
		struct timer *t = &timers[i];

		if (t->deleted) {
			CHECK(syscall(SYS_timer_gettime, t->id, &it) < 0, "timer %s is back", t->name);
		} else if (t->value_ms && t->value_ms < 1000) {
			check_fired(t);
		} else {
			check_left(t);
			check_notify(t);
		}
	}
	check_itimers();
	over = 1;
	pthread_join(thread, NULL);
	return verdict();
}
