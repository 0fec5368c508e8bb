/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pidfds: of a child, of itself, of a zombie, two of one process that is gone and one of
 * another; "outside": of the parent; "thread": of a thread.
 */
#include "target.h"
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PIDFD_NONBLOCK O_NONBLOCK
#define PIDFD_THREAD O_EXCL

static int open_pidfd(pid_t pid, unsigned int flags)
{
	int fd = syscall(SYS_pidfd_open, pid, flags);

	MUST(fd >= 0);
	return fd;
}

/* send is 0, or the error. */
static int send(int fd, int sig) { return syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) ? errno : 0; }

static pid_t sleeper(void)
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid)
		for (;;)
			pause();
	return pid;
}

static void gone(pid_t pid) { MUST(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid); }

static uint64_t inode(int fd)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0, "fstat: %s", strerror(errno));
	return st.st_ino;
}

static void all(void)
{
	pid_t child = sleeper(), first = sleeper(), second = sleeper(), zombie = fork();
	int of_child = open_pidfd(child, 0), nonblock = open_pidfd(child, PIDFD_NONBLOCK), self = open_pidfd(getpid(), 0);
	int one = open_pidfd(first, 0), same = open_pidfd(first, 0), other = open_pidfd(second, 0), of_zombie;
	struct pollfd p = { .fd = of_child, .events = POLLIN };
	siginfo_t info = {};
	int status;

	MUST(zombie >= 0);
	if (!zombie)
		_exit(7);
	of_zombie = open_pidfd(zombie, 0);
	MUST(waitid(P_PID, zombie, &info, WEXITED | WNOWAIT) == 0);
	gone(first);
	gone(second);
	ready();
	await_check();
	CHECK(send(self, 0) == 0 && send(of_child, 0) == 0 && send(nonblock, 0) == 0, "living ones are not reached");
	CHECK(send(one, 0) == ESRCH && send(same, 0) == ESRCH && send(other, 0) == ESRCH, "what is gone is reached");
	CHECK(fcntl(nonblock, F_GETFL) & O_NONBLOCK && !(fcntl(of_child, F_GETFL) & O_NONBLOCK), "flags of pidfds");
	if (inode(one) != inode(of_child)) /* a kernel with pidfs */
		CHECK(inode(one) == inode(same) && inode(one) != inode(other), "what is gone is confused");
	CHECK(waitid(P_PIDFD, of_zombie, &info, WEXITED) == 0 && info.si_pid == zombie && info.si_status == 7, "the zombie: %s", strerror(errno));
	CHECK(poll(&p, 1, 0) == 0, "the child has ended");
	CHECK(send(of_child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status), "the child was not killed");
	CHECK(poll(&p, 1, 1000) == 1, "the end of the child is not seen");
}

static void refused(int fd)
{
	ready();
	await_check();
	CHECK(send(fd, 0) == 0, "send: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "outside"))
		refused(open_pidfd(getppid(), 0));
	else if (argc > 1 && !strcmp(argv[1], "thread"))
		refused(open_pidfd(getpid(), PIDFD_THREAD));
	else
		all();
	return verdict();
}
