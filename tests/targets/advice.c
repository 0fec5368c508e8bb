// SPDX-License-Identifier: Apache-2.0
/*
 * madvise, mlock and what else a mapping's flags hold; guard regions; huge pages. The flags
 * are compared as the kernel shows them in smaps.
 */
#include "pages.h"
#include <setjmp.h>
#include <sys/wait.h>

#define GUARD_INSTALL 102
#define GUARD_REMOVE 103

static struct area {
	const char *name;
	int advice; /* -1: mlock, -2: nothing */
	int flags;
	char *addr;
	char vm[256];
} areas[] = {
	{ "plain", -2, MAP_PRIVATE },
	{ "MADV_DONTFORK", MADV_DONTFORK, MAP_PRIVATE },
	{ "MADV_DONTDUMP", MADV_DONTDUMP, MAP_PRIVATE },
	{ "MADV_WIPEONFORK", MADV_WIPEONFORK, MAP_PRIVATE },
	{ "MADV_MERGEABLE", MADV_MERGEABLE, MAP_PRIVATE },
	{ "MADV_HUGEPAGE", MADV_HUGEPAGE, MAP_PRIVATE },
	{ "MADV_NOHUGEPAGE", MADV_NOHUGEPAGE, MAP_PRIVATE },
	{ "MADV_SEQUENTIAL", MADV_SEQUENTIAL, MAP_PRIVATE },
	{ "MADV_RANDOM", MADV_RANDOM, MAP_PRIVATE },
	{ "MADV_DONTDUMP of shared memory", MADV_DONTDUMP, MAP_SHARED },
	{ "MADV_DONTFORK of shared memory", MADV_DONTFORK, MAP_SHARED },
	{ "mlock", -1, MAP_PRIVATE },
	{ "MAP_LOCKED of shared memory", -2, MAP_SHARED | MAP_LOCKED },
	{ "MAP_NORESERVE", -2, MAP_PRIVATE | MAP_NORESERVE },
};
#define NAREAS (int)(sizeof(areas) / sizeof(areas[0]))

static char *guarded, *huge;
static sigjmp_buf fault;

/* flags_of leaves out the flags that are no property of the mapping. */
static void flags_of(char *addr, char *out, size_t size)
{
	char all[512];

	vm_flags(addr, all, sizeof(all));
	out[0] = 0;
	for (char *f = strtok(all, " "); f; f = strtok(NULL, " ")) {
		if (!strcmp(f, "sd")) /* soft-dirty */
			continue;
		if (strlen(out) + 4 < size)
			strcat(strcat(out, f), " ");
	}
}

static void set_up(struct area *a, int i)
{
	/* a page apart, so that no two can be joined */
	map(1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	a->addr = anon(8, a->flags);
	fill(a->addr, 4, i);
	if (a->advice == -1)
		MUST(mlock(a->addr, 8 * PAGE) == 0);
	else if (a->advice >= 0)
		MUST(madvise(a->addr, 8 * PAGE, a->advice) == 0);
	flags_of(a->addr, a->vm, sizeof(a->vm));
	MUST(a->vm[0]);
}

static void on_fault(int sig UNUSED)
{
	siglongjmp(fault, 1);
}

/* faults says whether reading a byte is a segmentation fault. */
static int faults(volatile char *p)
{
	if (sigsetjmp(fault, 1))
		return 1;
	(void)*p;
	return 0;
}

/* Pages 0 to 3 hold a pattern, 4 to 6 are a guard, 7 to 9 hold one, 15 is a guard. */
static void set_up_guard(void)
{
	guarded = anon(16, MAP_PRIVATE);
	fill(guarded, 16, 50);
	MUST(madvise(guarded + 4 * PAGE, 3 * PAGE, GUARD_INSTALL) == 0);
	MUST(madvise(guarded + 10 * PAGE, 5 * PAGE, MADV_DONTNEED) == 0);
	MUST(madvise(guarded + 15 * PAGE, PAGE, GUARD_INSTALL) == 0);
}

static void check_guard(void)
{
	char *copy = anon(16, MAP_PRIVATE);

	fill(copy, 16, 50);
	for (int i = 0; i < 16; i++) {
		int guard = (i >= 4 && i < 7) || i == 15;

		CHECK(faults(guarded + i * PAGE) == guard, "page %d of the guarded region %s", i,
		      guard ? "can be read" : "cannot be read");
	}
	CHECK(!memcmp(guarded, copy, 4 * PAGE), "pages before a guard differ");
	CHECK(!memcmp(guarded + 7 * PAGE, copy + 7 * PAGE, 3 * PAGE), "pages after a guard differ");
	CHECK(not_zero(guarded + 10 * PAGE, 5) < 0, "dropped pages are not zero");
	CHECK(madvise(guarded + 4 * PAGE, 3 * PAGE, GUARD_REMOVE) == 0 && not_zero(guarded + 4 * PAGE, 3) < 0,
	      "a guard cannot be removed");
}

static void check_fork(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		CHECK(faults(areas[1].addr), "MADV_DONTFORK: the child has the memory");
		CHECK(not_zero(areas[3].addr, 8) < 0, "MADV_WIPEONFORK: the child has the contents");
		_exit(target_failed);
	}
	waitpid(pid, &status, 0);
	CHECK(status == 0, "the forked child ended with %#x", status);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_fault };
	char now_vm[256];

	sigaction(SIGSEGV, &sa, NULL);
	for (int i = 0; i < NAREAS; i++)
		set_up(&areas[i], i);
	set_up_guard();
	huge = anon(3 * 512, MAP_PRIVATE);
	madvise(huge, 3 * 512 * PAGE, MADV_HUGEPAGE);
	fill(huge, 3 * 512, 60);
	ready();
	await_check();
	for (int i = 0; i < NAREAS; i++) {
		struct area *a = &areas[i];

		flags_of(a->addr, now_vm, sizeof(now_vm));
		CHECK(!strcmp(a->vm, now_vm), "%s: flags are %s, were %s", a->name, now_vm, a->vm);
		CHECK(wrong_page(a->addr, 4, i) < 0 && not_zero(a->addr + 4 * PAGE, 4) < 0, "%s: contents differ", a->name);
	}
	check_guard();
	check_fork();
	CHECK(wrong_page(huge, 3 * 512, 60) < 0, "transparent huge pages: page %ld", wrong_page(huge, 3 * 512, 60));
	return verdict();
}
