// SPDX-License-Identifier: Apache-2.0
/* Pages that are in swap when the dump is made: private and shared. */
#include "pages.h"

#define N 256
#define PAGEOUT 21

static int swapped(char *p)
{
	int n = 0;

	for (int i = 0; i < N; i++)
		n += (pagemap(p + i * PAGE) & PM_SWAP) != 0;
	return n;
}

int main(void)
{
	char *mine = anon(N, MAP_PRIVATE), *ours = anon(N, MAP_SHARED);

	fill(mine, N, 1);
	fill(ours, N, 2);
	for (int i = 0; i < 200 && swapped(mine) < N / 2; i++) {
		MUST(madvise(mine, N * PAGE, PAGEOUT) == 0);
		MUST(madvise(ours, N * PAGE, PAGEOUT) == 0);
		pause_ms(10);
	}
	MUST(swapped(mine) >= N / 2);
	ready();
	await_check();
	CHECK(wrong_page(mine, N, 1) < 0, "private page %ld differs", wrong_page(mine, N, 1));
	CHECK(wrong_page(ours, N, 2) < 0, "shared page %ld differs", wrong_page(ours, N, 2));
	return verdict();
}
