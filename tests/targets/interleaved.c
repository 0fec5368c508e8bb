// SPDX-License-Identifier: Apache-2.0
/*
 * Two shared objects, each mapped twice by parent and child, their mappings taking
 * turns in the address space: a restorer that waits for all of one object's
 * mappings before it goes on to the next would wait for ever.
 */
#include "pages.h"
#include <sys/wait.h>

#define MAPPINGS 4

int main(void)
{
	char *at = map(2 * MAPPINGS, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *first = anon(2, MAP_SHARED), *second = anon(2, MAP_SHARED), *p[MAPPINGS];
	int status = -1, i;
	pid_t pid;

	for (i = 0; i < MAPPINGS; i++) {
		/* old size 0: a second mapping of the same shared pages */
		p[i] = mremap(i % 2 ? second : first, 0, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 2 * i * PAGE);
		MUST(p[i] != MAP_FAILED);
	}
	MUST(munmap(first, 2 * PAGE) == 0 && munmap(second, 2 * PAGE) == 0);
	fill(p[0], 2, 5);
	fill(p[1], 2, 6);
	MUST((pid = fork()) >= 0);
	if (pid == 0) {
		while (p[2][PAGE] != 'x')
			pause_ms(5);
		p[3][PAGE] = 'y';
		_exit(wrong_page(p[2], 1, 5) >= 0 || wrong_page(p[1], 1, 6) >= 0);
	}
	ready();
	await_check();
	CHECK(wrong_page(p[2], 2, 5) < 0 && wrong_page(p[3], 2, 6) < 0, "shared memory differs");
	p[0][PAGE] = 'x';
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "the child ended with %#x", status);
	CHECK(p[1][PAGE] == 'y', "memory is no longer shared");
	return verdict();
}
