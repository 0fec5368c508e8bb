/*
 * A process with timers of all clocks and kinds, some of which have expired
 * with their signal blocked. It says what system calls say of them.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SIGNO 44
#define IGNORED 45
#define MANY 400
#define HOUR 3600

static int ids[MANY], n;

static void must(long r, const char *what)
{
	if (r < 0) {
		perror(what);
		exit(1);
	}
}

static void set(int id, double interval, double value)
{
	struct itimerspec t = {
		.it_interval = { interval, (interval - (long)interval) * 1e9 },
		.it_value = { value, (value - (long)value) * 1e9 },
	};

	must(syscall(SYS_timer_settime, id, 0, &t, 0), "timer_settime");
}

/* Says: timer, id, clock, signal, notify, value, interval; want: whether a signal of it must wait. */
static int create(int clock, int signo, int notify, double interval, double value, int want)
{
	struct sigevent e = { .sigev_signo = signo, .sigev_notify = notify };
	int id;

	e.sigev_value.sival_ptr = (void *)(0x1000000000000000UL + n);
	if (notify == SIGEV_THREAD_ID)
		e._sigev_un._tid = getpid();
	must(syscall(SYS_timer_create, clock, &e, &id), "timer_create");
	set(id, interval, value);
	ids[n++] = id;
	printf("timer %d %d %d %d %lx %.0f %d\n", id, clock, signo, notify, (long)e.sigev_value.sival_ptr, interval * 1e9, want);
	return id;
}

static void set_itimer(int which, long interval, long value)
{
	struct itimerval t = { { interval, 0 }, { value, 0 } };

	must(setitimer(which, &t, 0), "setitimer");
}

static void say_itimer(int which)
{
	struct itimerval t;

	getitimer(which, &t);
	printf("itimer %d %ld %ld\n", which, t.it_interval.tv_sec * 1000000 + t.it_interval.tv_usec,
	       t.it_value.tv_sec * 1000000 + t.it_value.tv_usec);
}

static void all_kinds(void)
{
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, -6, -2, -7, -3, -8, -4 };
	static const int kinds[] = { SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID };

	for (unsigned c = 0; c < sizeof(clocks) / sizeof(*clocks); c++)
		for (unsigned k = 0; k < 3; k++) {
			create(clocks[c], SIGNO, kinds[k], 0, HOUR, 0);
			create(clocks[c], SIGNO, kinds[k], 2 * HOUR, 3 * HOUR + 0.25, 0);
			create(clocks[c], SIGNO, kinds[k], 0, 0, 0);
		}
}

int main(int argc, char **argv)
{
	struct timespec nap = { 0, 60000000 };
	struct itimerspec t;
	sigset_t blocked;
	int again, gone;

	signal(IGNORED, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGNO);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, 0);
	for (volatile long i = 0; i < 20000000; i++)
		;
	if (argc > 1) {
		for (int i = 0; i < MANY; i++)
			create(CLOCK_MONOTONIC, SIGNO, i % 2 ? SIGEV_SIGNAL : SIGEV_THREAD_ID, 0, i % 3 ? HOUR + i : 0.001, i % 3 == 0);
	} else {
		all_kinds();
		for (int k = 0; k < 2; k++) {
			create(CLOCK_MONOTONIC, SIGNO, k ? SIGEV_THREAD_ID : SIGEV_SIGNAL, 0, 0.001, 1);
			create(CLOCK_MONOTONIC, SIGNO, k ? SIGEV_THREAD_ID : SIGEV_SIGNAL, HOUR, 0.001, 1);
			create(CLOCK_REALTIME, SIGNO, k ? SIGEV_THREAD_ID : SIGEV_SIGNAL, 0.01, 0.001, 1);
		}
		create(CLOCK_MONOTONIC, SIGNO, SIGEV_NONE, 0, 0.001, 0);
		create(CLOCK_MONOTONIC, SIGNO, SIGEV_NONE, HOUR, 0.001, 0);
		create(CLOCK_MONOTONIC, IGNORED, SIGEV_SIGNAL, HOUR, 0.001, 0);
		create(CLOCK_MONOTONIC, IGNORED, SIGEV_SIGNAL, 0, 0.001, 0);
		again = create(CLOCK_MONOTONIC, SIGNO, SIGEV_SIGNAL, 0, 0.001, 0);
		gone = create(CLOCK_MONOTONIC, SIGNO, SIGEV_SIGNAL, 0, 0.001, 0);
		n--;
		set_itimer(ITIMER_VIRTUAL, HOUR, 2 * HOUR);
		set_itimer(ITIMER_PROF, 0, 3 * HOUR);
		set_itimer(ITIMER_REAL, HOUR, 2 * HOUR);
	}
	nanosleep(&nap, 0);
	if (argc == 1) {
		set(again, 0, HOUR);
		must(syscall(SYS_timer_delete, gone), "timer_delete");
		printf("deleted %d\n", gone);
	}
	for (int i = 0; i < n; i++) {
		must(syscall(SYS_timer_gettime, ids[i], &t), "timer_gettime");
		printf("left %d %ld %ld\n", ids[i], t.it_value.tv_sec * 1000000000 + t.it_value.tv_nsec,
		       syscall(SYS_timer_getoverrun, ids[i]));
	}
	for (int i = 0; i < 3; i++)
		say_itimer(i);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
