// SPDX-License-Identifier: Apache-2.0
/* A child process that shares its parent's memory and signal handlers: nothing restores that. */
#include "target.h"
#include <sched.h>
#include <sys/wait.h>

static char stack[65536] __attribute__((aligned(16)));
static volatile int over;

static int child(void *arg UNUSED)
{
	while (!over)
		pause_ms(10);
	return 0;
}

int main(void)
{
	int status = -1;
	pid_t pid = clone(child, stack + sizeof(stack), CLONE_VM | CLONE_SIGHAND | SIGCHLD, NULL);

	MUST(pid > 0);
	ready();
	await_check();
	over = 1;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "the child ended with %#x", status);
	return verdict();
}
