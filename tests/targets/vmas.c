// SPDX-License-Identifier: Apache-2.0
/* 20,000 mappings that cannot be joined, a page of contents in each. */
#include "pages.h"

#define N 20000

static uint64_t word(int i)
{
	return 0x9e3779b97f4a7c15UL * (i + 1);
}

int main(void)
{
	char *p = anon(2 * N, MAP_PRIVATE);
	char line[256];
	int vmas = 0, wrong = 0;
	FILE *f;

	for (int i = 0; i < N; i++) {
		*(uint64_t *)(p + 2 * i * PAGE) = word(i);
		*(uint64_t *)(p + (2 * i + 1) * PAGE) = ~word(i);
		MUST(mprotect(p + 2 * i * PAGE, PAGE, PROT_READ) == 0);
	}
	ready();
	await_check();
	for (int i = 0; i < N; i++)
		wrong += *(uint64_t *)(p + 2 * i * PAGE) != word(i) || *(uint64_t *)(p + (2 * i + 1) * PAGE) != ~word(i);
	CHECK(wrong == 0, "%d mappings have wrong contents", wrong);
	f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof(line), f))
		vmas++;
	CHECK(vmas >= 2 * N, "%d mappings only", vmas);
	return verdict();
}
