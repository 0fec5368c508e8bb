// SPDX-License-Identifier: Apache-2.0
/*
 * Pages that parent, child and grandchild share until one writes: they are shared after the
 * restore too (the same frame of physical memory), and a write stays private.
 */
#include "pages.h"
#include <sys/wait.h>

#define N 256
#define LEVELS 3

static struct shared {
	volatile int up, turn, seen;
	uint64_t frames[LEVELS][N];
} *sh;

static char *mem;

/* Each level writes to its own eighth of the pages before the dump. */
static void write_own(int level)
{
	fill(mem + level * (N / 8) * PAGE, N / 8, 100 + level);
}

static void check_own(int level)
{
	char *copy = anon(N, MAP_PRIVATE);

	fill(copy, N, 1);
	for (int l = 0; l <= level; l++)
		fill(copy + l * (N / 8) * PAGE, N / 8, 100 + l);
	CHECK(!memcmp(mem, copy, N * PAGE), "level %d: contents differ", level);
	for (int i = 0; i < N; i++) {
		uint64_t e = pagemap(mem + i * PAGE);

		sh->frames[level][i] = e & PM_PRESENT ? e & PM_FRAME : 0;
	}
}

static void level_body(int level)
{
	int status = 0;
	pid_t pid = 0;

	write_own(level);
	if (level + 1 < LEVELS) {
		MUST((pid = fork()) >= 0);
		if (pid == 0) {
			level_body(level + 1);
			_exit(target_failed);
		}
	}
	__atomic_add_fetch(&sh->up, 1, __ATOMIC_SEQ_CST);
	if (level == 0) {
		while (sh->up < LEVELS)
			pause_ms(5);
		ready();
		await_check();
		sh->turn = 1;
	}
	while (!sh->turn)
		pause_ms(10);
	check_own(level);
	__atomic_add_fetch(&sh->seen, 1, __ATOMIC_SEQ_CST);
	while (sh->seen < LEVELS)
		pause_ms(5);
	mem[(N - 1) * PAGE] = level; /* a write, which nobody else sees */
	pause_ms(50);
	CHECK(mem[(N - 1) * PAGE] == level, "level %d sees somebody else's write", level);
	if (pid)
		CHECK(waitpid(pid, &status, 0) == pid && status == 0, "level %d: the child ended with %#x", level, status);
}

int main(void)
{
	int shared = 0;

	sh = (struct shared *)anon(sizeof(*sh) / PAGE + 1, MAP_SHARED);
	mem = anon(N, MAP_PRIVATE);
	fill(mem, N, 1);
	level_body(0);
	for (int i = LEVELS * (N / 8); i < N; i++)
		shared += sh->frames[0][i] && sh->frames[0][i] == sh->frames[1][i] && sh->frames[0][i] == sh->frames[2][i];
	CHECK(shared >= N / 2, "of %d pages only %d are still shared", N - LEVELS * (N / 8), shared);
	return verdict();
}
