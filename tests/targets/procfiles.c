/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of /proc of a process that is gone: one to be read, one that was read from, its directory, one of the network
 * namespace, which goes on, and a working directory. What a restore cannot do: "reused" (its number is a child's by
 * now), "reused outside", "thread" (of one that lives), "dead thread", "descriptor" (of what it had open).
 */
#include "target.h"
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *mode;

static int is(const char *m) { return !strcmp(mode, m); }

struct clone_args_tid {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size;
};

/* fork_as forks a process of this number. */
static pid_t fork_as(pid_t pid)
{
	struct clone_args_tid a = { .exit_signal = SIGCHLD, .set_tid = (uint64_t)&pid, .set_tid_size = 1 };

	return syscall(SYS_clone3, &a, sizeof(a));
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static void *thread(void *tid)
{
	*(volatile int *)tid = gettid();
	if (is("dead thread"))
		pause_ms(200);
	else
		sleep_for_ever();
	return NULL;
}

static int open_of(pid_t pid, const char *name, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d%s", pid, name);
	MUST((fd = open(path, flags)) >= 0);
	return fd;
}

/* threads opens a file of a thread, which goes on or ends. */
static int threads(void)
{
	volatile int tid = 0;
	char name[64];
	pthread_t t;

	MUST(pthread_create(&t, NULL, thread, (void *)&tid) == 0);
	while (!tid)
		pause_ms(1);
	snprintf(name, sizeof(name), "/task/%d/stat", tid);
	open_of(getpid(), name, O_RDONLY);
	if (is("dead thread"))
		pthread_join(t, NULL);
	ready();
	await_check();
	return verdict();
}

/* reuse has the number of the dead process taken, by a child or by somebody outside of the tree. */
static void reuse(pid_t dead)
{
	int status;
	pid_t pid;

	if (is("reused")) {
		MUST((pid = fork_as(dead)) >= 0);
		if (!pid)
			sleep_for_ever();
		return;
	}
	MUST((pid = fork()) >= 0);
	if (!pid) {
		pid = fork_as(dead);
		if (!pid) {
			setsid();
			sleep_for_ever();
		}
		_exit(pid != dead);
	}
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
}

static void gone(int fd, const char *what)
{
	char c;

	CHECK(read(fd, &c, 1) < 0 && errno == ESRCH, "%s: it can be read, or says %s", what, strerror(errno));
}

int main(int argc, char **argv)
{
	int status, limits, dir, net, middle, n;
	char text[4096];
	struct stat st;
	pid_t child, sitter;

	mode = argc > 1 ? argv[1] : "";
	if (is("thread") || is("dead thread"))
		return threads();
	MUST((child = fork()) >= 0);
	if (!child)
		sleep_for_ever();
	status = open_of(child, is("descriptor") ? "/fdinfo/0" : "/status", O_RDONLY);
	limits = open_of(child, "/limits", O_RDWR | O_CLOEXEC);
	dir = open_of(child, "", O_RDONLY | O_DIRECTORY);
	net = open_of(child, "/net/dev", O_RDONLY);
	middle = open_of(child, "/stat", O_RDONLY);
	MUST((n = read(middle, text, 10)) == 10 && (n = read(net, text, 7)) == 7);
	MUST((sitter = fork()) >= 0);
	if (!sitter) {
		MUST(fchdir(dir) == 0);
		kill(getpid(), SIGSTOP);
		sleep_for_ever();
	}
	MUST(waitpid(sitter, &n, WUNTRACED) == sitter && WIFSTOPPED(n) && kill(sitter, SIGCONT) == 0);
	MUST(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	if (is("reused") || is("reused outside"))
		reuse(child);
	ready();
	await_check();
	if (!is("descriptor"))
		gone(status, "status");
	gone(limits, "limits");
	CHECK(fcntl(limits, F_GETFD) == FD_CLOEXEC && (fcntl(limits, F_GETFL) & O_ACCMODE) == O_RDWR, "flags of limits");
	CHECK(openat(dir, "status", O_RDONLY) < 0 && (errno == ENOENT || errno == ESRCH), "its directory has files: %s", strerror(errno));
	if (!checked_live() && !by_criu()) /* what was read ahead is not restored, nor another process's in its place */
		gone(middle, "stat");
	CHECK(lseek(middle, 0, SEEK_SET) == 0, "lseek: %s", strerror(errno));
	gone(middle, "stat from the beginning");
	n = read(net, text, sizeof(text));
	CHECK(lseek(net, 0, SEEK_CUR) == 7 + n && n > 0 && memmem(text, n, "lo:", 3), "interfaces: %.*s", n > 0 ? n : 0, text);
	CHECK(kill(sitter, SIGKILL) == 0 && waitpid(sitter, NULL, 0) == sitter, "who has it as working directory is gone");
	CHECK(fstat(dir, &st) == 0 && S_ISDIR(st.st_mode), "its directory is none");
	return verdict();
}
