/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals that stop: "stopped": a stopped child with another SIGSTOP pending, for the process
 * and for the thread; "trap": a pending SIGTRAP; "traced": a child that is traced.
 */
#include "target.h"
#include <sys/ptrace.h>
#include <sys/wait.h>

static void stopped(void)
{
	pid_t child = fork();
	int status;

	MUST(child >= 0);
	if (!child) {
		pause_ms(1);
		_exit(5);
	}
	MUST(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	MUST(kill(child, SIGSTOP) == 0 && syscall(SYS_tkill, child, SIGSTOP) == 0);
	ready();
	await_check();
	CHECK(waitpid(child, &status, WNOHANG) == 0 || WIFSTOPPED(status), "the child was not stopped: %x", status);
	CHECK(kill(child, SIGCONT) == 0, "kill: %s", strerror(errno));
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 5, "the child: %x", status);
}

static void trap(void)
{
	struct timespec none = {};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && kill(getpid(), SIGTRAP) == 0);
	ready();
	await_check();
	CHECK(sigtimedwait(&set, NULL, &none) == SIGTRAP, "the signal is lost");
}

static void traced(void)
{
	pid_t child = fork();
	int status;

	MUST(child >= 0);
	if (!child)
		for (;;)
			pause();
	MUST(ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL) == 0);
	ready();
	await_check();
	CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0, "is not traced any more: %s", strerror(errno));
	CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status), "the child: %x", status);
	kill(child, SIGKILL);
}

int main(int argc, char **argv)
{
	MUST(argc == 2);
	if (!strcmp(argv[1], "stopped"))
		stopped();
	else if (!strcmp(argv[1], "trap"))
		trap();
	else
		traced();
	return verdict();
}
