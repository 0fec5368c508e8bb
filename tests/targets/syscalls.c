// SPDX-License-Identifier: Apache-2.0
/*
 * One thread in each of the calls that a freeze interrupts. No signal is sent, so no call
 * may report EINTR: it goes on, or is made again. What criu does not promise is asked of
 * fastcr only, and what no freezer can hide from a program that runs on is not asked of it.
 */
#include "target.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>

#define SHORT_NS 4000000000LL /* of the calls that end by themselves */

enum {
	RESTARTS = 0,	/* the kernel makes it again: criu too */
	WITH_BLOCK = 1, /* -ERESTART_RESTARTBLOCK: criu reports EINTR */
	REMAINS = 3,	/* -ERESTART_RESTARTBLOCK, with time left that an image cannot hold: EINTR */
	NEVER = 2,	/* EINTR after any stop: fastcr makes it again in the image */
};

struct call {
	const char *name;
	void (*enter)(struct call *);
	int (*release)(struct call *); /* makes it return; NULL: ends by itself */
	long want;
	int kind;
	int masked; /* a temporary signal mask is in force while it waits */

	int fd[2];
	int futex;
	int waits; /* ended by release, not before */
	volatile long ret;
	volatile int err, done, started;
	int64_t begin, end;
	pid_t tid;
	pthread_t thread;
	sigset_t after;
};

static int semid = -1;
static volatile int finish;

static void set_pipe(struct call *c)
{
	MUST(pipe(c->fd) == 0);
}

static int write_pipe(struct call *c)
{
	return write(c->fd[1], "x", 1) == 1 ? 0 : -1;
}

static struct timespec in_ns(int64_t ns)
{
	return (struct timespec){ ns / 1000000000, ns % 1000000000 };
}

/* Raw calls: the C library must not hide an EINTR. */
static void do_nanosleep(struct call *c)
{
	struct timespec ts = in_ns(SHORT_NS);

	c->ret = syscall(SYS_nanosleep, &ts, NULL);
}

static void do_clock_nanosleep(struct call *c)
{
	struct timespec ts = in_ns(SHORT_NS), rem;

	c->ret = syscall(SYS_clock_nanosleep, CLOCK_BOOTTIME, 0, &ts, &rem);
}

static void do_clock_nanosleep_abs(struct call *c)
{
	struct timespec ts = in_ns(c->begin + SHORT_NS);

	c->ret = syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void do_poll(struct call *c)
{
	struct pollfd p = { c->fd[0], POLLIN, 0 };

	c->ret = syscall(SYS_poll, &p, 1, -1);
}

static void do_poll_timeout(struct call *c)
{
	struct pollfd p = { c->fd[0], POLLIN, 0 };

	c->ret = syscall(SYS_poll, &p, 1, (int)(SHORT_NS / 1000000));
}

static sigset_t one_signal(int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	return s;
}

static void do_ppoll(struct call *c)
{
	struct pollfd p = { c->fd[0], POLLIN, 0 };
	sigset_t mask = one_signal(SIGUSR2);

	c->ret = syscall(SYS_ppoll, &p, 1, NULL, &mask, 8);
}

static void do_ppoll_timeout(struct call *c)
{
	struct pollfd p = { c->fd[0], POLLIN, 0 };
	struct timespec ts = in_ns(SHORT_NS);
	sigset_t mask = one_signal(SIGUSR2);

	c->ret = syscall(SYS_ppoll, &p, 1, &ts, &mask, 8);
}

static void do_select(struct call *c)
{
	fd_set r;

	FD_ZERO(&r);
	FD_SET(c->fd[0], &r);
	c->ret = syscall(SYS_select, c->fd[0] + 1, &r, NULL, NULL, NULL);
}

static void do_pselect(struct call *c)
{
	sigset_t mask = one_signal(SIGUSR2);
	struct {
		sigset_t *set;
		size_t size;
	} arg = { &mask, 8 };
	fd_set r;

	FD_ZERO(&r);
	FD_SET(c->fd[0], &r);
	c->ret = syscall(SYS_pselect6, c->fd[0] + 1, &r, NULL, NULL, NULL, &arg);
}

static void do_futex(struct call *c)
{
	c->ret = syscall(SYS_futex, &c->futex, FUTEX_WAIT_PRIVATE, 0, NULL);
}

static int wake_futex(struct call *c)
{
	__atomic_store_n(&c->futex, 1, __ATOMIC_SEQ_CST);
	return syscall(SYS_futex, &c->futex, FUTEX_WAKE_PRIVATE, 1) == 1 ? 0 : -1;
}

static void do_futex_timeout(struct call *c)
{
	struct timespec ts = in_ns(SHORT_NS);

	c->ret = syscall(SYS_futex, &c->futex, FUTEX_WAIT_PRIVATE, 0, &ts);
}

static void do_futex_abs(struct call *c)
{
	struct timespec ts = in_ns(c->begin + SHORT_NS);

	c->ret = syscall(SYS_futex, &c->futex, FUTEX_WAIT_BITSET_PRIVATE, 0, &ts, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void do_read(struct call *c)
{
	char b;

	c->ret = syscall(SYS_read, c->fd[0], &b, 1);
}

static void handler(int sig UNUSED)
{
}

static void do_sigsuspend(struct call *c)
{
	sigset_t mask = one_signal(SIGUSR2);

	c->ret = syscall(SYS_rt_sigsuspend, &mask, 8);
}

static void do_pause(struct call *c)
{
	sigset_t s = one_signal(SIGUSR1);

	pthread_sigmask(SIG_UNBLOCK, &s, NULL);
	c->ret = syscall(SYS_pause);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
}

static int send_usr1(struct call *c)
{
	return pthread_kill(c->thread, SIGUSR1);
}

static void do_epoll(struct call *c)
{
	struct epoll_event e;

	c->ret = syscall(SYS_epoll_wait, c->futex, &e, 1, -1);
}

static void do_epoll_pwait(struct call *c)
{
	sigset_t mask = one_signal(SIGUSR2);
	struct epoll_event e;

	c->ret = syscall(SYS_epoll_pwait, c->futex, &e, 1, -1, &mask, 8);
}

static void do_epoll_pwait2(struct call *c)
{
	struct timespec ts = in_ns(3600 * 1000000000LL);
	sigset_t mask = one_signal(SIGUSR2);
	struct epoll_event e;

	c->ret = syscall(441, c->futex, &e, 1, &ts, &mask, 8);
}

static void do_semop(struct call *c)
{
	struct sembuf b = { 0, -1, 0 };

	c->ret = syscall(SYS_semop, semid, &b, 1);
}

static void do_semtimedop(struct call *c)
{
	struct timespec ts = in_ns(3600 * 1000000000LL);
	struct sembuf b = { 1, -1, 0 };

	c->ret = syscall(SYS_semtimedop, semid, &b, 1, &ts);
}

static int post_sem(struct call *c)
{
	struct sembuf b = { c->enter == do_semop ? 0 : 1, 1, 0 };

	return semop(semid, &b, 1);
}

static void do_sigwaitinfo(struct call *c)
{
	sigset_t s = one_signal(SIGUSR1);
	siginfo_t info;

	c->ret = syscall(SYS_rt_sigtimedwait, &s, &info, NULL, 8);
}

static struct call calls[] = {
	{ "nanosleep", do_nanosleep, NULL, 0, WITH_BLOCK },
	{ "clock_nanosleep relative", do_clock_nanosleep, NULL, 0, REMAINS },
	{ "clock_nanosleep absolute", do_clock_nanosleep_abs, NULL, 0, RESTARTS },
	{ "poll", do_poll, write_pipe, 1, WITH_BLOCK },
	{ "poll with a timeout", do_poll_timeout, NULL, 0, WITH_BLOCK },
	{ "ppoll with a mask", do_ppoll, write_pipe, 1, RESTARTS, 1 },
	{ "ppoll with a timeout", do_ppoll_timeout, NULL, 0, RESTARTS, 1 },
	{ "select", do_select, write_pipe, 1, RESTARTS },
	{ "pselect with a mask", do_pselect, write_pipe, 1, RESTARTS, 1 },
	{ "futex wait", do_futex, wake_futex, 0, RESTARTS },
	{ "futex wait with a timeout", do_futex_timeout, NULL, -ETIMEDOUT, REMAINS },
	{ "futex wait until a time", do_futex_abs, NULL, -ETIMEDOUT, WITH_BLOCK },
	{ "read on a pipe", do_read, write_pipe, 1, RESTARTS },
	{ "sigsuspend", do_sigsuspend, send_usr1, -EINTR, RESTARTS, 1 },
	{ "pause", do_pause, send_usr1, -EINTR, RESTARTS },
	{ "epoll_wait", do_epoll, write_pipe, 1, NEVER },
	{ "epoll_pwait with a mask", do_epoll_pwait, write_pipe, 1, NEVER, 1 },
	{ "epoll_pwait2 with a mask", do_epoll_pwait2, write_pipe, 1, NEVER, 1 },
	{ "semop", do_semop, post_sem, 0, NEVER },
	{ "semtimedop", do_semtimedop, post_sem, 0, NEVER },
	{ "sigwaitinfo", do_sigwaitinfo, send_usr1, SIGUSR1, NEVER },
};
#define NCALLS (int)(sizeof(calls) / sizeof(calls[0]))

static void *caller(void *arg)
{
	struct call *c = arg;

	c->tid = gettid();
	c->begin = now();
	c->started = 1;
	c->enter(c);
	c->end = now();
	if (c->ret == -1)
		c->ret = -errno;
	pthread_sigmask(SIG_SETMASK, NULL, &c->after);
	c->done = 1;
	while (!finish) /* the number of threads stays as it was */
		pause_ms(10);
	return NULL;
}

/* blocked_mask is what /proc says of a thread, bit 0 for signal 1. */
static uint64_t blocked_mask(pid_t tid)
{
	char path[64], line[256];
	uint64_t mask = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigBlk: %lx", &mask) == 1)
			break;
	if (f)
		fclose(f);
	return mask;
}

/* may_eintr says whether this call may report an interruption that nobody sent. */
static int may_eintr(struct call *c)
{
	if (c->kind == RESTARTS)
		return 0;
	if (by_criu())
		return 1;
	return c->kind == (checked_live() ? NEVER : REMAINS);
}

static void judge_waiting(struct call *c)
{
	if (c->done && c->ret == -EINTR && may_eintr(c)) {
		c->waits = 0;
		return;
	}
	CHECK(!c->done, "%s returned %ld before anything happened", c->name, c->ret);
	if (c->masked && !c->done)
		CHECK(blocked_mask(c->tid) == 1UL << (SIGUSR2 - 1), "%s waits with mask %#lx", c->name, blocked_mask(c->tid));
}

static void judge_end(struct call *c)
{
	if (c->ret == -EINTR && may_eintr(c) && c->want != -EINTR)
		return;
	CHECK(c->ret == c->want, "%s returned %ld instead of %ld", c->name, c->ret, c->want);
	if (!c->release && c->ret == c->want) /* poll counts in milliseconds */
		CHECK(c->end - c->begin >= SHORT_NS - 1000000, "%s took %ld ms only", c->name, (c->end - c->begin) / 1000000);
	CHECK(sigismember(&c->after, SIGUSR1) == 1 && sigismember(&c->after, SIGUSR2) == 0,
	      "%s left a wrong signal mask", c->name);
}

static void set_up(struct call *c)
{
	set_pipe(c);
	c->waits = c->release != NULL;
	if (c->enter == do_epoll || c->enter == do_epoll_pwait || c->enter == do_epoll_pwait2) {
		struct epoll_event e = { .events = EPOLLIN };

		MUST((c->futex = epoll_create1(0)) >= 0);
		MUST(epoll_ctl(c->futex, EPOLL_CTL_ADD, c->fd[0], &e) == 0);
	}
}

static void set_up_sem(void)
{
	int fd = open("semid", O_WRONLY | O_CREAT | O_TRUNC, 0666);

	MUST((semid = semget(IPC_PRIVATE, 2, 0600)) >= 0);
	dprintf(fd, "%d", semid); /* for the harness, should we be killed */
	close(fd);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = handler };
	sigset_t s = one_signal(SIGUSR1);

	set_up_sem();
	sigaction(SIGUSR1, &sa, NULL);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	for (int i = 0; i < NCALLS; i++) {
		set_up(&calls[i]);
		MUST(pthread_create(&calls[i].thread, NULL, caller, &calls[i]) == 0);
	}
	for (int i = 0; i < NCALLS; i++)
		while (!calls[i].started)
			pause_ms(1);
	pause_ms(50); /* all are inside */
	for (int i = 0; i < NCALLS; i++)
		MUST(!calls[i].done);
	ready();
	await_check();
	pause_ms(100);
	for (int i = 0; i < NCALLS; i++)
		if (calls[i].release)
			judge_waiting(&calls[i]);
	for (int i = 0; i < NCALLS; i++)
		if (calls[i].waits && !calls[i].done)
			CHECK(calls[i].release(&calls[i]) == 0, "%s: nobody was there to wake", calls[i].name);
	for (int i = 0; i < NCALLS; i++) {
		for (int ms = 0; !calls[i].done && ms < 20000; ms += 10)
			pause_ms(10);
		CHECK(calls[i].done, "%s does not return", calls[i].name);
		if (calls[i].done)
			judge_end(&calls[i]);
	}
	finish = 1;
	semctl(semid, 0, IPC_RMID);
	return verdict();
}
