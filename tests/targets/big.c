// SPDX-License-Identifier: Apache-2.0
/* Many megabytes (the first argument), of which every page is checked. */
#include "pages.h"

/* Every page has contents of its own; one in 16 is zero, one in 16 was never touched. */
static uint64_t word(size_t page, size_t i)
{
	uint64_t x = page * 512 + i + 1;

	x ^= x >> 31;
	x *= 0x7fb5d329728ea185UL;
	return x ^ x >> 27;
}

int main(int argc, char **argv)
{
	size_t n = (argc > 1 ? atol(argv[1]) : 64) * 256, wrong = 0, first = 0;
	uint64_t *p = (uint64_t *)anon(n, MAP_PRIVATE);

	for (size_t page = 0; page < n; page++)
		for (size_t i = 0; i < 512 && page % 16 != 7; i++)
			p[page * 512 + i] = page % 16 == 3 ? 0 : word(page, i);
	ready();
	await_check();
	for (size_t page = 0; page < n; page++) {
		int bad = 0;

		for (size_t i = 0; i < 512; i++)
			bad |= p[page * 512 + i] != (page % 16 == 3 || page % 16 == 7 ? 0 : word(page, i));
		if (bad && !wrong++)
			first = page;
	}
	CHECK(wrong == 0, "%zu of %zu pages differ, first %zu", wrong, n, first);
	return verdict();
}
