// SPDX-License-Identifier: Apache-2.0
/*
 * Processes made by clone() that share a descriptor table: what one opens after the restore,
 * those that share it see, and the others do not. With the argument "fs" one pair shares its
 * file system context too, which no image can say.
 */
#include "target.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define N 6

/* Member 0 is the root; each shares what its flags say with its parent. */
static struct {
	int parent, flags;
} plan[N] = {
	{ -1, 0 },
	{ 0, CLONE_FILES },
	{ 0, 0 },
	{ 2, CLONE_FILES },
	{ 0, CLONE_FILES },
	{ 1, CLONE_FILES },
};

static struct shared {
	volatile int up, turn, done; /* whose turn it is to change; how many have looked since */
	volatile int fd[N];
} *sh;

/* group gives the topmost member that i shares flag with. */
static int group(int i, int flag)
{
	while (plan[i].parent >= 0 && (plan[i].flags & flag))
		i = plan[i].parent;
	return i;
}

static mode_t umask_now(void)
{
	mode_t m = umask(0);

	umask(m);
	return m;
}

static void change(int i)
{
	int fd = open("/dev/zero", O_RDONLY);

	sh->fd[i] = dup2(fd, 100 + i);
	close(fd);
	umask(010 * (i + 1));
}

static void look(int me, int who)
{
	int sees = fcntl(100 + who, F_GETFD) >= 0, sees_mask = umask_now() == 010U * (who + 1);

	CHECK(sees == (group(me, CLONE_FILES) == group(who, CLONE_FILES)), "member %d %s descriptor %d that member %d opened", me,
	      sees ? "sees" : "does not see", 100 + who, who);
	CHECK(sees_mask == (group(me, CLONE_FS) == group(who, CLONE_FS)), "member %d %s the umask that member %d set", me,
	      sees_mask ? "sees" : "does not see", who);
}

/* take_turns lets each member change what it has, and all look at it. */
static void take_turns(int me)
{
	for (int who = 0; who < N; who++) {
		while (sh->turn < who)
			pause_ms(1);
		if (me == who) {
			change(me);
			sh->done = 0;
			sh->turn = 1000 + who;
		}
		while (sh->turn != 1000 + who)
			pause_ms(1);
		look(me, who);
		__atomic_add_fetch(&sh->done, 1, __ATOMIC_SEQ_CST);
		while (sh->done < N && sh->turn == 1000 + who)
			pause_ms(1);
		if (me == who)
			sh->turn = who + 1;
		while (sh->turn == 1000 + who)
			pause_ms(1);
	}
}

static void member(int me)
{
	for (int i = me + 1; i < N; i++) {
		pid_t pid;

		if (plan[i].parent != me)
			continue;
		MUST((pid = syscall(SYS_clone, plan[i].flags | SIGCHLD, 0, 0, 0, 0)) >= 0);
		if (pid == 0) {
			member(i);
			_exit(target_failed);
		}
	}
	__atomic_add_fetch(&sh->up, 1, __ATOMIC_SEQ_CST);
	if (me == 0) {
		while (sh->up < N)
			pause_ms(1);
		ready();
		await_check();
		sh->turn = 0;
	}
	while (sh->turn < 0)
		pause_ms(10);
	take_turns(me);
	for (int status; wait(&status) > 0;)
		target_failed |= status != 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "fs"))
		plan[2].flags |= CLONE_FS;
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(sh != MAP_FAILED);
	sh->turn = -1;
	member(0);
	return verdict();
}
