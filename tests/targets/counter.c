// SPDX-License-Identifier: Apache-2.0
/* Counts into a file; no number may be lost or repeated. */
#include "target.h"

int main(void)
{
	int fd = open("numbers", O_RDWR | O_CREAT | O_TRUNC, 0644);
	int n = 0, i = 0;
	char line[16];
	FILE *f;

	MUST(fd >= 0);
	while (n < 3)
		dprintf(fd, "%d\n", n++);
	ready();
	await_check();
	while (n < 10)
		dprintf(fd, "%d\n", n++);
	f = fopen("numbers", "r");
	CHECK(f != NULL, "numbers: %s", strerror(errno));
	for (; f && fgets(line, sizeof(line), f); i++)
		CHECK(atoi(line) == i, "line %d has %s", i, line);
	CHECK(i == 10, "%d numbers instead of 10", i);
	return verdict();
}
