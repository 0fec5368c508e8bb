// SPDX-License-Identifier: Apache-2.0
/*
 * A child, whose pid goes into the file "child", shares with its parent what the argument
 * names: vm, files, fs or nothing. The grandchild, in "grandchild", shares it as well.
 */
#include "target.h"
#include <sched.h>
#include <sys/prctl.h>

static char stacks[2][1 << 16] __attribute__((aligned(16)));
static int flags;

static void tell(const char *name, int pid)
{
	char new[32];
	FILE *f;

	snprintf(new, sizeof(new), "new-%s", name);
	MUST((f = fopen(new, "w")) != NULL);
	fprintf(f, "%d", pid);
	fclose(f);
	MUST(rename(new, name) == 0);
}

static int wait_here(UNUSED void *arg)
{
	while (syscall(SYS_pause))
		;
	return 0;
}

static int child(UNUSED void *arg)
{
	int pid = clone(wait_here, stacks[1] + sizeof(stacks[1]), flags | SIGCHLD, NULL);

	MUST(pid > 0);
	tell("grandchild", pid);
	return wait_here(NULL);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int pid;

	flags = !strcmp(what, "vm") ? CLONE_VM : !strcmp(what, "files") ? CLONE_FILES : !strcmp(what, "fs") ? CLONE_FS : 0;
	pid = clone(child, stacks[0] + sizeof(stacks[0]), flags | SIGCHLD, NULL);
	MUST(pid > 0);
	tell("child", pid);
	while (access("grandchild", F_OK))
		usleep(1000);
	ready();
	return wait_here(NULL);
}
