/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that tell of events: eventfd, timerfd, signalfd, epoll. The first argument names the part. */
#include "target.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

static void counts(int fd, uint64_t want, const char *what)
{
	uint64_t n = 0;
	ssize_t m = read(fd, &n, sizeof(n));

	CHECK(want ? m == 8 && n == want : m < 0 && errno == EAGAIN, "%s: %zd bytes, count %llu, not %llu", what, m, (unsigned long long)n, (unsigned long long)want);
}

static void eventfds(void)
{
	int some = eventfd(7, EFD_NONBLOCK), none = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), full = eventfd(0, EFD_NONBLOCK), twin;
	uint64_t most = ~0U;

	MUST(some >= 0 && none >= 0 && (twin = dup(some)) >= 0 && write(full, &most, 8) == 8);
	ready();
	await_check();
	CHECK(fcntl(none, F_GETFD) == FD_CLOEXEC && fcntl(some, F_GETFD) == 0 && fcntl(some, F_GETFL) == (O_RDWR | O_NONBLOCK), "flags");
	counts(some, 7, "eventfd");
	counts(twin, 0, "eventfd that was read");
	counts(none, 0, "empty eventfd");
	counts(full, most, "eventfd with as much as criu can restore");
}

/* What criu restores as something else. */
static void semaphore(void)
{
	int sem = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK), full = eventfd(0, EFD_NONBLOCK);
	uint64_t most = ~0ULL - 1;

	MUST(sem >= 0 && write(full, &most, 8) == 8);
	ready();
	await_check();
	for (int i = 0; i < 3; i++)
		counts(sem, 1, "semaphore");
	counts(sem, 0, "semaphore at 0");
	counts(full, most, "full eventfd");
}

#define SEC 1000000000LL

static int64_t ns(struct timespec t) { return t.tv_sec * SEC + t.tv_nsec; }

static int timer(int clock, int flags, int64_t value, int64_t interval)
{
	struct itimerspec s = { { interval / SEC, interval % SEC }, { value / SEC, value % SEC } };
	int fd = timerfd_create(clock, TFD_NONBLOCK);

	MUST(fd >= 0 && timerfd_settime(fd, flags, &s, NULL) == 0);
	return fd;
}

static void timerfds(void)
{
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME };
	enum { N = sizeof(clocks) / sizeof(clocks[0]) };
	int once[N], often[N], soon, due, ticks, off, absolute, set, set_soon, abs_off;
	struct itimerspec s;
	struct timespec t;
	int64_t left, start, gone, abs_left;
	uint64_t n;

	for (int i = 0; i < N; i++) {
		once[i] = timer(clocks[i], 0, 1000 * SEC + i, 0);
		often[i] = timer(clocks[i], 0, 500 * SEC, 77 * SEC + i);
	}
	start = now();
	clock_gettime(CLOCK_MONOTONIC, &t);
	absolute = timer(CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, ns(t) + 900 * SEC, 0);
	set = timer(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, 4000000000LL * SEC, 0);
	clock_gettime(CLOCK_REALTIME, &t);
	set_soon = timer(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, ns(t) + 800 * SEC, 0);
	abs_off = timer(CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, 0, 0);
	off = timer(CLOCK_MONOTONIC, 0, 0, 0);
	due = timer(CLOCK_MONOTONIC, 0, 1, 0);
	ticks = timer(CLOCK_MONOTONIC, 0, 1000000, 1000000);
	soon = timer(CLOCK_MONOTONIC, 0, 3 * SEC / 10, 0);
	pause_ms(30);
	MUST(fcntl(once[0], F_SETFD, FD_CLOEXEC) == 0);
	ready();
	await_check();
	gone = now() - start;
	for (int i = 0; i < N; i++) {
		CHECK(timerfd_gettime(once[i], &s) == 0 && ns(s.it_interval) == 0, "clock %d: interval", clocks[i]);
		left = ns(s.it_value);
		CHECK(left > 1000 * SEC - gone - SEC / 5 && left <= 1000 * SEC, "clock %d: %lld ns left after %lld", clocks[i], (long long)left, (long long)gone);
		CHECK(timerfd_gettime(often[i], &s) == 0 && ns(s.it_interval) == 77 * SEC + i, "clock %d: interval %lld", clocks[i], (long long)ns(s.it_interval));
		left = ns(s.it_value);
		CHECK(left > 500 * SEC - gone - SEC / 5 && left <= 500 * SEC, "clock %d, periodic: %lld ns left", clocks[i], (long long)left);
		counts(once[i], 0, "a timer that is not due");
	}
	CHECK(fcntl(once[0], F_GETFD) == FD_CLOEXEC && fcntl(once[1], F_GETFD) == 0, "close-on-exec");
	CHECK(timerfd_gettime(absolute, &s) == 0, "absolute: %s", strerror(errno));
	abs_left = ns(s.it_value);
	/* criu's own dump: it adds the clock's whole seconds only, up to one early */
	CHECK(abs_left > 900 * SEC - gone - (by_criu() ? SEC * 6 / 5 : SEC / 5) && abs_left <= 900 * SEC, "absolute: %lld ns left", (long long)abs_left);
	CHECK(timerfd_gettime(set, &s) == 0 && s.it_value.tv_sec > 1000000, "far: %lld s left", (long long)s.it_value.tv_sec);
	CHECK(timerfd_gettime(set_soon, &s) == 0, "absolute, cancelled when the clock is set: %s", strerror(errno));
	left = ns(s.it_value); /* a second may be added, so that it does not come early */
	CHECK(by_criu() || (left > 800 * SEC - gone - SEC / 5 && left <= 801 * SEC), "absolute, cancelled when the clock is set: %lld ns left", (long long)left);
	CHECK(timerfd_gettime(abs_off, &s) == 0 && !ns(s.it_value), "a disarmed absolute timer is armed");
	if (!by_criu())
		counts(abs_off, 0, "a disarmed absolute timer");
	CHECK(timerfd_gettime(off, &s) == 0 && !ns(s.it_value) && !ns(s.it_interval), "a disarmed timer is armed");
	counts(off, 0, "a disarmed timer");
	counts(due, 1, "a timer that was due");
	CHECK(read(ticks, &n, 8) == 8 && (by_criu() || (n >= 20 && n < 100 + (uint64_t)gone / 1000000)), "%llu ticks", (unsigned long long)n);
	CHECK(by_criu() || poll(&(struct pollfd){ .fd = ticks, .events = POLLIN }, 1, 2000) == 1, "no more ticks");
	CHECK(poll(&(struct pollfd){ .fd = soon, .events = POLLIN }, 1, 5000) == 1, "the timer did not come");
	counts(soon, 1, "a timer that came");
}

static void alarms(void)
{
	int fd = timer(CLOCK_BOOTTIME_ALARM, 0, 1000 * SEC, 0);
	struct itimerspec s;

	ready();
	await_check();
	CHECK(timerfd_gettime(fd, &s) == 0 && ns(s.it_value) > 900 * SEC, "the timer");
}

static void signalfds(void)
{
	struct signalfd_siginfo info;
	sigset_t set, one;
	int all, usr1, child_fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 5);
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	MUST(!sigprocmask(SIG_BLOCK, &set, NULL));
	MUST((all = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) >= 0 && (usr1 = signalfd(-1, &one, SFD_NONBLOCK)) >= 0 && (child_fd = dup(usr1)) >= 0);
	MUST(!sigqueue(getpid(), SIGRTMIN + 5, (union sigval){ .sival_int = 42 }) && !kill(getpid(), SIGUSR2));
	ready();
	await_check();
	CHECK(fcntl(all, F_GETFD) == FD_CLOEXEC && fcntl(usr1, F_GETFL) & O_NONBLOCK, "flags");
	CHECK(read(usr1, &info, sizeof(info)) < 0 && errno == EAGAIN, "a signal that the mask does not have");
	CHECK(read(all, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR2 && info.ssi_pid == (uint32_t)getpid(), "signal %d", info.ssi_signo);
	CHECK(read(all, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == (uint32_t)SIGRTMIN + 5 && info.ssi_int == 42, "signal %d, %d", info.ssi_signo, info.ssi_int);
	CHECK(kill(getpid(), SIGUSR1) == 0, "kill");
	CHECK(read(child_fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR1, "signal %d", info.ssi_signo);
}

static void add(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
}

/* told wants exactly these data, n of them, in any order. */
static void told(int ep, const uint64_t *want, int n, const char *what)
{
	struct epoll_event e[64];
	int have = epoll_wait(ep, e, 64, 0);

	CHECK(have == n, "%s: %d events, not %d", what, have, n);
	for (int i = 0; i < n; i++) {
		int found = 0;

		for (int j = 0; j < have; j++)
			found += e[j].data.u64 == want[i];
		CHECK(found == 1, "%s: %#llx %d times", what, (unsigned long long)want[i], found);
	}
}

static void epolls(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), inner = epoll_create1(0), deeper = epoll_create1(0), empty = epoll_create1(0);
	int p[2], q[2], twin, ev = eventfd(0, EFD_NONBLOCK), once = eventfd(1, EFD_NONBLOCK), edge = eventfd(0, EFD_NONBLOCK), far, status;
	uint64_t one = 1;
	struct epoll_event e;
	pid_t child;
	char c;

	MUST(ep >= 0 && inner >= 0 && deeper >= 0 && empty >= 0 && !pipe2(p, O_NONBLOCK) && !pipe(q));
	MUST((twin = dup(p[0])) >= 0 && dup2(p[0], 700) == 700 && (far = 700) > 0);
	add(ep, p[0], EPOLLIN, 0x1111222233334444);
	add(ep, twin, EPOLLIN | EPOLLET, 2);
	add(ep, far, EPOLLIN | EPOLLRDHUP | EPOLLPRI, ~0ULL);
	add(ep, p[1], 0, 3);
	add(ep, ev, EPOLLIN | EPOLLONESHOT, 4);
	add(ep, once, EPOLLIN | EPOLLONESHOT, 5);
	add(ep, edge, EPOLLIN | EPOLLET, 6);
	add(inner, q[0], EPOLLIN, 7);
	add(deeper, inner, EPOLLIN, 8);
	add(ep, deeper, EPOLLIN, 9);
	MUST(epoll_wait(ep, &e, 1, 0) == 1 && e.data.u64 == 5); /* disarmed now */
	child = fork();
	MUST(child >= 0);
	if (!child) {
		await_check();
		pause_ms(300);
		CHECK(write(q[1], "x", 1) == 1, "write: %s", strerror(errno));
		_exit(target_failed);
	}
	ready();
	await_check();
	CHECK(fcntl(ep, F_GETFD) == FD_CLOEXEC && fcntl(inner, F_GETFD) == 0, "close-on-exec");
	told(empty, NULL, 0, "nothing is watched");
	told(ep, NULL, 0, "nothing has come");
	CHECK(write(p[1], "x", 1) == 1 && write(ev, &one, 8) == 8 && write(edge, &one, 8) == 8, "write");
	told(ep, (uint64_t[]){ 0x1111222233334444, 2, ~0ULL, 4, 6 }, 5, "all that came");
	told(ep, (uint64_t[]){ 0x1111222233334444, ~0ULL }, 2, "level triggered");
	CHECK(read(p[0], &c, 1) == 1, "read: %s", strerror(errno));
	told(ep, NULL, 0, "after the read");
	CHECK(epoll_wait(ep, &e, 1, 5000) == 1 && e.data.u64 == 9, "no word from the child");
	told(inner, (uint64_t[]){ 7 }, 1, "inner");
	told(deeper, (uint64_t[]){ 8 }, 1, "deeper");
	CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, far, NULL) == 0 && epoll_ctl(ep, EPOLL_CTL_DEL, twin, NULL) == 0, "remove: %s", strerror(errno));
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child's status %#x", status);
}

/* One instance with more watches than a single read of them takes. */
static void epoll_many(void)
{
	enum { N = 900 };
	static int ev[N];
	int ep = epoll_create1(0), n = 0;
	struct epoll_event e[N];
	uint64_t one = 1;

	for (int i = 0; i < N; i++) {
		MUST((ev[i] = eventfd(0, EFD_NONBLOCK)) >= 0);
		add(ep, ev[i], EPOLLIN, i * 3ULL);
	}
	ready();
	await_check();
	for (int i = 0; i < N; i++)
		CHECK(write(ev[i], &one, 8) == 8, "write %d: %s", i, strerror(errno));
	n = epoll_wait(ep, e, N, 0);
	CHECK(n == N, "%d events", n);
	for (int i = 0; i < n; i++)
		counts(ev[e[i].data.u64 / 3], 1, "one of many");
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(void); } parts[] = {
		{ "eventfd", eventfds }, { "timerfd", timerfds }, { "signalfd", signalfds }, { "epoll", epolls }, { "epoll, many", epoll_many },
		{ "semaphore", semaphore }, { "alarm", alarms },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (argc > 1 && !strcmp(argv[1], parts[i].name)) {
			parts[i].run();
			return verdict();
		}
	MUST(!"a part's name");
}
