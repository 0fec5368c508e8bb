// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a command and says what it took: run COMMAND ARGUMENT...
 * The last line on descriptor 3 is "MICROSECONDS MICROSECONDS KIBIBYTES": from the start
 * to the end, processor time, and the peak of the memory. A process takes over the peak of
 * the one that it was forked from until it calls execve: this one is small.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double micros(struct timeval t) { return t.tv_sec * 1e6 + t.tv_usec; }

int main(int argc, char **argv)
{
	double start = now();
	pid_t child = argc > 1 ? fork() : -1;
	struct rusage u;
	int status;

	if (child < 0)
		return 127;
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(3);
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (wait4(child, &status, 0, &u) < 0)
		return 127;
	dprintf(3, "%.3f %.0f %ld\n", now() - start, micros(u.ru_utime) + micros(u.ru_stime), u.ru_maxrss);
	if (WIFSIGNALED(status))
		kill(getpid(), WTERMSIG(status));
	return WEXITSTATUS(status);
}
