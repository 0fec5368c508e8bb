/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V shared memory that outlives the program, attached in several ways and by a child too; a set of
 * semaphores and a message queue beside it. "huge": of huge pages; "undo zero": with nothing left to undo.
 * What a restore cannot do: "removed", "a part", "moved", "locked", "executable", "undo", "undo far" (of 300),
 * "undo high" (of 100 sets), "undo child".
 * The ids are in the file "ids", for ipcrm.
 */
#include "pages.h"
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

#define MANY 300 /* semaphores */

static const char *mode;
static long unit = PAGE; /* bytes of a page of the segment */
static int shm, sem, msg;

struct message {
	long type;
	char text[16];
};

static int is(const char *m) { return !strcmp(mode, m); }

static void *attach(int flags)
{
	void *at = shmat(shm, NULL, flags);

	MUST(at != (void *)-1);
	return at;
}

static void change(int n, int by, int flags)
{
	struct sembuf op = { .sem_num = n, .sem_op = by, .sem_flg = flags };

	MUST(semop(sem, &op, 1) == 0);
}

static void make(size_t bytes)
{
	FILE *ids = fopen("ids", "w");

	MUST(ids != NULL);
	MUST((shm = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600 | (is("huge") ? SHM_HUGETLB : 0))) >= 0);
	fprintf(ids, "-m %d", shm);
	for (int i = is("undo high") ? 100 : 1; i > 0; i--) { /* the last one counts */
		MUST((sem = semget(IPC_PRIVATE, i == 1 ? MANY : 1, IPC_CREAT | 0600)) >= 0);
		fprintf(ids, " -s %d", sem);
	}
	MUST((msg = msgget(IPC_PRIVATE, IPC_CREAT | 0600)) >= 0);
	fprintf(ids, " -q %d", msg);
	fclose(ids);
}

/* attached counts mappings, which the kernel does. */
static int attached(void)
{
	struct shmid_ds d;

	return shmctl(shm, IPC_STAT, &d) == 0 ? (int)d.shm_nattch : -1;
}

static int ended(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* child has what its parent attached, and waits until it is told to look. */
static int child(volatile char *turn, char *all, const char *only, char *parts)
{
	while (!*turn)
		pause_ms(5);
	CHECK(!strcmp(all + unit, "from the parent"), "child: reads %.20s", all + unit);
	CHECK(only[2 * unit] == 7 && shmdt(only) == 0 && shmdt(parts) == 0, "child: %s", strerror(errno));
	strcpy(all + unit, "from the child");
	CHECK(shmdt(all) == 0, "child: shmdt: %s", strerror(errno));
	return target_failed;
}

static int refused(void)
{
	char *at = attach(is("executable") ? SHM_EXEC : 0);
	pid_t pid = 0;

	if (is("removed"))
		MUST(shmctl(shm, IPC_RMID, NULL) == 0);
	else if (is("a part"))
		MUST(munmap(at + 3 * PAGE, PAGE) == 0);
	else if (is("moved"))
		MUST(mremap(at + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 64 * PAGE) != MAP_FAILED);
	else if (is("locked"))
		MUST(mlock(at, PAGE) == 0);
	else if (is("undo") || is("undo high"))
		change(3, 1, SEM_UNDO);
	else if (is("undo far"))
		change(MANY - 1, 2, SEM_UNDO);
	else if (is("undo child") && (pid = fork()) == 0) {
		change(0, 1, SEM_UNDO);
		ready();
		for (;;)
			pause();
	}
	if (pid == 0)
		ready();
	await_check();
	if (pid)
		CHECK(kill(pid, SIGKILL) == 0 && ended(pid) == SIGKILL && semctl(sem, 0, GETVAL) == 0, "the child's end undoes nothing");
	return verdict();
}

int main(int argc, char **argv)
{
	struct message m = { .type = 5, .text = "a message" };
	volatile char *turn = anon(1, MAP_SHARED);
	char *all, *parts;
	const char *only;
	int n;
	pid_t pid;

	mode = argc > 1 ? argv[1] : "";
	if (is("huge"))
		unit = 512 * PAGE;
	make(is("huge") ? 4 * unit : 5 * PAGE + 100);
	if (*mode && !is("huge") && !is("undo zero"))
		return refused();
	all = attach(0);
	only = attach(SHM_RDONLY);
	parts = attach(0);
	strcpy(all + unit, "from the parent");
	all[2 * unit] = 7;
	MUST(mprotect(parts, unit, PROT_READ) == 0 && mprotect(parts + 2 * unit, unit, PROT_NONE) == 0);
	MUST(mprotect(all, unit, PROT_READ) == 0);
	MUST(semctl(sem, 2, SETVAL, 11) == 0 && msgsnd(msg, &m, sizeof(m.text), 0) == 0);
	if (is("undo zero")) { /* taken and given back */
		change(2, -1, SEM_UNDO);
		change(2, 1, SEM_UNDO);
	}
	MUST((pid = fork()) >= 0);
	if (pid == 0)
		_exit(child(turn, all, only, parts));
	n = attached();
	ready();
	await_check();
	memset(&m, 0, sizeof(m));
	CHECK(attached() == n, "%d mappings are attached, were %d", attached(), n);
	CHECK(!strcmp(only + unit, "from the parent") && !memcmp(all, parts, 2 * unit), "the contents differ");
	strcpy(parts + unit, "from the parent");
	CHECK(mprotect((void *)only, unit, PROT_READ | PROT_WRITE) < 0 && errno == EACCES, "what was attached to be read can be written");
	CHECK(mprotect(parts + 2 * unit, unit, PROT_READ | PROT_WRITE) == 0 && parts[2 * unit] == 7, "what was protected is not there");
	CHECK(semctl(sem, 2, GETVAL) == 11 && semctl(sem, 0, GETVAL) == 0, "semaphore %d", semctl(sem, 2, GETVAL));
	CHECK(msgrcv(msg, &m, sizeof(m.text), 5, IPC_NOWAIT) == sizeof(m.text) && !strcmp(m.text, "a message"), "message %s: %s", m.text, strerror(errno));
	msgsnd(msg, &m, sizeof(m.text), 0); /* who is restored later finds it again */
	*turn = 1;
	CHECK(ended(pid) == 0, "the child failed");
	CHECK(!strcmp(only + unit, "from the child"), "reads %.20s", only + unit);
	strcpy(all + unit, "from the parent");
	CHECK(shmdt(parts) == 0 && shmdt(only) == 0 && shmdt(all) == 0 && attached() == 0, "%d are attached: %s", attached(), strerror(errno));
	return verdict();
}
