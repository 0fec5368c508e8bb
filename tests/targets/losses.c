// SPDX-License-Identifier: Apache-2.0
/* What a restore could lose without a word. The first argument names the part. */
#include "pages.h"
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static int is(const char *a, const char *b) { return !strcmp(a, b); }

static void packet_pipe(int full)
{
	char buf[64];
	int p[2];

	MUST(pipe2(p, O_DIRECT | O_NONBLOCK) == 0);
	MUST(!full || (write(p[1], "one", 3) == 3 && write(p[1], "two", 3) == 3));
	ready();
	await_check();
	for (int i = 0; i < 2; i++)
		CHECK(fcntl(p[i], F_GETFL) == (O_NONBLOCK | (i ? O_DIRECT | O_WRONLY : 0)), "end %d: flags %#x", i, fcntl(p[i], F_GETFL));
	CHECK(full || (write(p[1], "one", 3) == 3 && write(p[1], "two", 3) == 3), "write: %s", strerror(errno));
	CHECK(read(p[0], buf, sizeof(buf)) == 3 && !memcmp(buf, "one", 3), "first packet");
	CHECK(read(p[0], buf, sizeof(buf)) == 3 && !memcmp(buf, "two", 3), "second packet");
}

static void packet_fifo(void)
{
	int fd;

	MUST(mkfifo("fifo", 0600) == 0 && (fd = open("fifo", O_RDWR)) >= 0 && fcntl(fd, F_SETFL, O_DIRECT) == 0);
	ready();
	await_check();
	CHECK(fcntl(fd, F_GETFL) & O_DIRECT, "flags %#x", fcntl(fd, F_GETFL));
}

/* The second name of a memfd keeps only its place. */
static void path_only(void)
{
	int fd = memfd_create("place", 0), place;
	char name[64];
	struct stat a, b;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	MUST(fd >= 0 && (place = open(name, O_PATH)) >= 0);
	ready();
	await_check();
	CHECK(fstat(fd, &a) == 0 && fstat(place, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev, "another file");
}

static void await_event(int ep, uint64_t want)
{
	struct epoll_event e = { 0 };

	CHECK(epoll_wait(ep, &e, 1, 2000) == 1 && e.data.u64 == want, "event of %llu, not %llu", (unsigned long long)e.data.u64, (unsigned long long)want);
}

static void watch(int ep, int fd, uint64_t data)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = data };

	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
}

/* Files that are watched by descriptors which are closed, or other files, by now. */
static void moved_watches(void)
{
	int ep = epoll_create1(0), a[2], b[2], moved, there;
	char c;

	MUST(ep >= 0 && pipe(a) == 0 && pipe(b) == 0);
	watch(ep, a[0], 1);
	watch(ep, b[0], 2);
	MUST((moved = fcntl(a[0], F_DUPFD, 100)) == 100 && close(a[0]) == 0);
	MUST((there = fcntl(b[0], F_DUPFD, 101)) == 101 && dup2(STDOUT_FILENO, b[0]) == b[0]);
	ready();
	await_check();
	CHECK(write(a[1], "a", 1) == 1, "write: %s", strerror(errno));
	await_event(ep, 1);
	CHECK(read(moved, &c, 1) == 1 && c == 'a' && write(b[1], "b", 1) == 1, "read and write: %s", strerror(errno));
	await_event(ep, 2);
	CHECK(read(there, &c, 1) == 1 && c == 'b', "read: %s", strerror(errno));
	CHECK(epoll_wait(ep, &(struct epoll_event){ 0 }, 1, 0) == 0, "an event too many");
}

/* The watched file is open in the child only. */
static void far_watch(void)
{
	int ep = epoll_create1(0), p[2], go[2], up[2], status = -1;
	pid_t pid;
	char c;

	MUST(ep >= 0 && pipe(p) == 0 && pipe(go) == 0 && pipe(up) == 0);
	watch(ep, p[0], 1);
	MUST((pid = fork()) >= 0);
	if (pid == 0) {
		close(go[1]);
		MUST(write(up[1], "", 1) == 1);
		CHECK(read(go[0], &c, 1) == 0, "go");
		CHECK(write(p[1], "x", 1) == 1, "write: %s", strerror(errno));
		pause_ms(300);
		_exit(target_failed);
	}
	close(p[0]);
	MUST(read(up[0], &c, 1) == 1); /* the child has closed what it does not need */
	ready();
	await_check();
	close(go[1]);
	await_event(ep, 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "the child ended with %#x", status);
}

/* A file of a mounted hugetlbfs. */
static void huge_file(int deleted)
{
	int fd = open("huge/file", O_RDWR | O_CREAT, 0600);
	char *ours, *mine;

	MUST(fd >= 0 && ftruncate(fd, 4 << 20) == 0);
	ours = map(1024, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mine = map(1024, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	fill(ours, 1024, 1);
	fill(mine + (2 << 20), 512, 2);
	MUST(!deleted || unlink("huge/file") == 0);
	ready();
	await_check();
	CHECK(wrong_page(ours, 1024, 1) < 0, "shared page %ld differs", wrong_page(ours, 1024, 1));
	CHECK(wrong_page(mine, 512, 1) < 0 && wrong_page(mine + (2 << 20), 512, 2) < 0, "private page differs");
}

static void passes_pidfds(void)
{
	int s[2], one = 1;
	socklen_t n = sizeof(one);

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && setsockopt(s[0], SOL_SOCKET, SO_PASSPIDFD, &one, n) == 0);
	ready();
	await_check();
	CHECK(getsockopt(s[0], SOL_SOCKET, SO_PASSPIDFD, &one, &n) == 0 && one == 1, "SO_PASSPIDFD %d", one);
}

static void deadline(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { 48, 6, 0, 0, 0, 1000000, 10000000, 10000000 };

	MUST(syscall(SYS_sched_setattr, 0, &attr, 0) == 0);
	ready();
	await_check();
	CHECK(sched_getscheduler(0) == 6, "policy %d", sched_getscheduler(0));
}

static void peeks(void)
{
	int s[2], off = 3;
	socklen_t n = sizeof(off);

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && setsockopt(s[0], SOL_SOCKET, SO_PEEK_OFF, &off, n) == 0);
	ready();
	await_check();
	off = -2;
	CHECK(getsockopt(s[0], SOL_SOCKET, SO_PEEK_OFF, &off, &n) == 0 && off == 3, "SO_PEEK_OFF %d", off);
}

static void resets_on_fork(int policy, int priority)
{
	struct sched_param p = { priority };

	MUST(sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &p) == 0);
	ready();
	await_check();
	CHECK(sched_getscheduler(0) == (policy | SCHED_RESET_ON_FORK), "policy %#x", sched_getscheduler(0));
	CHECK(sched_getparam(0, &p) == 0 && p.sched_priority == priority, "priority %d", p.sched_priority);
}

static void denies_write_execute(void)
{
	MUST(prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0);
	ready();
	await_check();
	CHECK(prctl(PR_GET_MDWE, 0, 0, 0, 0) == PR_MDWE_REFUSE_EXEC_GAIN, "PR_GET_MDWE %d", prctl(PR_GET_MDWE, 0, 0, 0, 0));
}

static void locks_future(void)
{
	char flags[512], *p;

	MUST(mlockall(MCL_FUTURE) == 0);
	ready();
	await_check();
	p = anon(1, MAP_PRIVATE);
	vm_flags(p, flags, sizeof(flags));
	CHECK(strstr(flags, "lo"), "a new mapping is not locked: %s", flags);
}

/* Dropped under pressure, and so an own kind of mapping. */
static void droppable(void)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, 8 /* MAP_DROPPABLE */ | MAP_ANONYMOUS, -1, 0), flags[512];

	MUST(p != MAP_FAILED);
	fill(p, 4, 1);
	ready();
	await_check();
	vm_flags(p, flags, sizeof(flags));
	CHECK(strstr(flags, "dp"), "not droppable any more: %s", flags);
	fill(p, 4, 2);
}

/* Messages come with the time of their arrival, or after a restore without. */
static void timestamps(int option)
{
	char byte, control[256];
	struct iovec io = { &byte, 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	int p[2], on = 0x18; /* SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE */

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, p) == 0);
	MUST(setsockopt(p[0], SOL_SOCKET, option, &on, sizeof(on)) == 0);
	ready();
	await_check();
	CHECK(write(p[1], "x", 1) == 1 && recvmsg(p[0], &m, 0) == 1 && byte == 'x', "message: %s", strerror(errno));
	CHECK(option != SO_TIMESTAMP || !checked_live() || CMSG_FIRSTHDR(&m), "no time in a live program");
}

int main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";

	if (is(part, "packet pipe"))
		packet_pipe(0);
	else if (is(part, "packets"))
		packet_pipe(1);
	else if (is(part, "packet FIFO"))
		packet_fifo();
	else if (is(part, "O_PATH"))
		path_only();
	else if (is(part, "moved watches"))
		moved_watches();
	else if (is(part, "far watch"))
		far_watch();
	else if (is(part, "hugetlbfs"))
		huge_file(0);
	else if (is(part, "deleted on hugetlbfs"))
		huge_file(1);
	else if (is(part, "SO_PASSPIDFD"))
		passes_pidfds();
	else if (is(part, "SO_TIMESTAMP"))
		timestamps(SO_TIMESTAMP);
	else if (is(part, "SO_TIMESTAMPING"))
		timestamps(SO_TIMESTAMPING);
	else if (is(part, "SCHED_DEADLINE"))
		deadline();
	else if (is(part, "SO_PEEK_OFF"))
		peeks();
	else if (is(part, "SCHED_RESET_ON_FORK"))
		resets_on_fork(SCHED_BATCH, 0);
	else if (is(part, "SCHED_RR"))
		resets_on_fork(SCHED_RR, 7);
	else if (is(part, "PR_SET_MDWE"))
		denies_write_execute();
	else if (is(part, "MCL_FUTURE"))
		locks_future();
	else if (is(part, "MAP_DROPPABLE"))
		droppable();
	else
		MUST(0);
	return verdict();
}
