// SPDX-License-Identifier: Apache-2.0
/*
 * Children and grandchildren in sessions and process groups of their own, two of whose
 * leaders are dead; zombies with what they ended with; orphans that a subreaper got.
 */
#include "target.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MAX 32

/* What each living process was at the dump, in memory that all share. */
static struct shared {
	int n, up, go;
	struct member {
		pid_t pid, ppid, pgid, sid;
		int parent; /* index, -1 for the root's */
	} m[MAX];
} *sh;

struct zombie {
	int code, status; /* as waitid says */
	pid_t pid;
};

static void note(struct member *m)
{
	*m = (struct member){ getpid(), getppid(), getpgrp(), getsid(0), m->parent };
}

static void compare(struct member *m, int i)
{
	CHECK(getpid() == m->pid, "member %d: pid %d, was %d", i, getpid(), m->pid);
	CHECK(getppid() == m->ppid, "member %d: parent %d, was %d", i, getppid(), m->ppid);
	CHECK(getpgrp() == m->pgid, "member %d: process group %d, was %d", i, getpgrp(), m->pgid);
	CHECK(getsid(0) == m->sid, "member %d: session %d, was %d", i, getsid(0), m->sid);
}

static int next_member(int parent)
{
	int i = __atomic_fetch_add(&sh->n, 1, __ATOMIC_SEQ_CST);

	MUST(i < MAX);
	sh->m[i].parent = parent;
	return i;
}

/* live is what a member does: it waits, looks at itself, collects its children and ends with 40 + i. */
static void __attribute__((noreturn)) live(int i, int children, struct zombie *z, int nz);

static void end_with(int how)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	if (how > 0)
		_exit(how);
	signal(-how, SIG_DFL);
	kill(getpid(), -how);
	pause();
}

/* zombie makes a child that ended: how > 0 with an exit code, how < 0 by a signal. */
static struct zombie zombie(int how, int own_session)
{
	struct zombie z = { how > 0 ? CLD_EXITED : CLD_KILLED, abs(how), 0 };
	siginfo_t info;

	MUST((z.pid = fork()) >= 0);
	if (z.pid == 0) {
		if (own_session)
			setsid();
		end_with(how);
	}
	MUST(waitid(P_PID, z.pid, &info, WEXITED | WNOWAIT) == 0);
	return z;
}

static void bury(struct zombie *z)
{
	siginfo_t info = { 0 };

	CHECK(waitid(P_PID, z->pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid == z->pid, "zombie %d is gone", z->pid);
	CHECK(info.si_code == z->code && info.si_status == z->status, "zombie %d: code %d status %d, was %d %d", z->pid,
	      info.si_code, info.si_status, z->code, z->status);
}

static void collect(int children)
{
	while (children-- > 0) {
		int status, i;
		pid_t pid = wait(&status);

		for (i = 0; i < sh->n && sh->m[i].pid != pid; i++)
			;
		CHECK(i < sh->n && WIFEXITED(status) && WEXITSTATUS(status) == 40 + i, "child %d ended with %#x", pid, status);
	}
}

static void live(int i, int children, struct zombie *z, int nz)
{
	note(&sh->m[i]);
	__atomic_add_fetch(&sh->up, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&sh->go, __ATOMIC_SEQ_CST))
		pause_ms(10);
	compare(&sh->m[i], i);
	for (int k = 0; k < nz; k++)
		bury(&z[k]);
	collect(children);
	_exit(target_failed ? 1 : 40 + i);
}

/* spawn starts a member; each of session and group is made if asked for. */
static void spawn(int parent, int session, int group, int grandchildren, int zombies)
{
	int i = next_member(parent);
	struct zombie z[3];
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid)
		return;
	if (session)
		MUST(setsid() >= 0);
	if (group)
		MUST(setpgid(0, 0) == 0);
	for (int k = 0; k < grandchildren; k++)
		spawn(i, 0, k & 1, k == 2 ? 1 : 0, 0);
	for (int k = 0; k < zombies; k++)
		z[k] = zombie(k + 1, k & 1);
	live(i, grandchildren, z, zombies);
}

/*
 * orphan starts a member whose parent, the leader of its process group, ends at once. Were it
 * the leader of its session, criu's restore would give the orphan a parent outside of the tree.
 */
static void orphan(void)
{
	int i = next_member(-1), status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		pid_t leader;

		setpgid(0, 0);
		leader = getpid();
		if (fork())
			_exit(0);
		while (getppid() == leader)
			pause_ms(1);
		live(i, 0, NULL, 0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
}

int main(void)
{
	/* criu's restore knows exit codes to 127 and classic signals */
	static const int ends[] = { 3, 127, -SIGKILL, -SIGTERM, -SIGXCPU };
	struct zombie z[5];
	struct member me = { 0 };
	int children = 0;

	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(sh != MAP_FAILED);
	spawn(-1, 0, 0, 2, 0), children++;
	spawn(-1, 0, 1, 3, 1), children++;
	spawn(-1, 1, 0, 3, 2), children++;
	spawn(-1, 1, 0, 0, 3), children++;
	orphan(), children++;
	orphan(), children++;
	for (int k = 0; k < 5; k++)
		z[k] = zombie(ends[k], k == 1);
	while (__atomic_load_n(&sh->up, __ATOMIC_SEQ_CST) < sh->n)
		pause_ms(5);
	note(&me);
	ready();
	await_check();
	CHECK(getpid() == me.pid && getpgrp() == me.pgid && getsid(0) == me.sid, "the root is not what it was");
	__atomic_store_n(&sh->go, 1, __ATOMIC_SEQ_CST);
	for (int k = 0; k < 5; k++)
		bury(&z[k]);
	collect(children);
	CHECK(wait(NULL) < 0 && errno == ECHILD, "a child too many");
	return verdict();
}
