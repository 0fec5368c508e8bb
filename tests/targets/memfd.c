// SPDX-License-Identifier: Apache-2.0
/* A mapped memfd that no descriptor holds any more. */
#include "pages.h"

int main(void)
{
	int fd = memfd_create("some name", 0);
	char *p;

	MUST(fd >= 0 && ftruncate(fd, 8 * PAGE) == 0);
	p = map(8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	fill(p, 4, 1);
	ready();
	await_check();
	CHECK(wrong_page(p, 4, 1) < 0, "page %ld differs", wrong_page(p, 4, 1));
	CHECK(not_zero(p + 4 * PAGE, 4) < 0, "pages that were never written are not zero");
	return verdict();
}
