// SPDX-License-Identifier: Apache-2.0
/* Huge pages of hugetlbfs: private, and shared with a child. */
#include "pages.h"
#include <sys/wait.h>

#define HUGE 512 /* pages in 2 MiB */
#define FLAGS (MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT)

int main(void)
{
	char *mine = map(2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | FLAGS, -1, 0);
	char *ours = map(HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | FLAGS, -1, 0);
	volatile char *turn = anon(1, MAP_SHARED);
	int status = -1;
	pid_t pid;

	fill(mine, HUGE, 1); /* the second stays untouched */
	fill(ours, HUGE, 2);
	MUST((pid = fork()) >= 0);
	if (pid == 0) {
		while (!*turn)
			pause_ms(5);
		CHECK(wrong_page(ours, HUGE, 2) < 0, "child: shared huge page differs");
		CHECK(wrong_page(mine, HUGE, 1) < 0, "child: private huge page differs");
		fill(ours, HUGE, 4);
		_exit(target_failed);
	}
	ready();
	await_check();
	CHECK(wrong_page(mine, HUGE, 1) < 0 && not_zero(mine + HUGE * PAGE, 1) < 0, "private huge page differs");
	CHECK(wrong_page(ours, HUGE, 2) < 0, "shared huge page differs");
	*turn = 1;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "the child ended with %#x", status);
	CHECK(wrong_page(ours, HUGE, 4) < 0, "the shared huge page is no longer shared");
	return verdict();
}
