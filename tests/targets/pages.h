/* SPDX-License-Identifier: Apache-2.0 */
/* Pages with contents that can be told from every other page's. */
#ifndef PAGES_H
#define PAGES_H

#include "target.h"
#include <sys/mman.h>

#define PAGE 4096UL

/* fill writes n pages of the seed's pattern. */
static UNUSED void fill(void *addr, size_t n, uint64_t seed)
{
	uint64_t *p = addr;

	for (size_t i = 0; i < n * PAGE / 8; i++)
		p[i] = (seed * 0x9e3779b97f4a7c15UL) ^ (i * 0xbf58476d1ce4e5b9UL) ^ i >> 9;
}

/* wrong_page gives the first page that does not hold the pattern, -1 if all do. */
static UNUSED long wrong_page(const void *addr, size_t n, uint64_t seed)
{
	const uint64_t *p = addr;

	for (size_t i = 0; i < n * PAGE / 8; i++)
		if (p[i] != ((seed * 0x9e3779b97f4a7c15UL) ^ (i * 0xbf58476d1ce4e5b9UL) ^ i >> 9))
			return i * 8 / PAGE;
	return -1;
}

/* not_zero gives the first page with a byte that is not 0, -1 if there is none. */
static UNUSED long not_zero(const void *addr, size_t n)
{
	const uint64_t *p = addr;

	for (size_t i = 0; i < n * PAGE / 8; i++)
		if (p[i])
			return i * 8 / PAGE;
	return -1;
}

/* map is mmap that cannot fail. */
static UNUSED char *map(size_t pages, int prot, int flags, int fd, off_t off)
{
	char *p = mmap(NULL, pages * PAGE, prot, flags, fd, off);

	MUST(p != MAP_FAILED);
	return p;
}

static UNUSED char *anon(size_t pages, int flags)
{
	return map(pages, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
}

/* pagemap reads one page's entry of /proc/self/pagemap. */
static UNUSED uint64_t pagemap(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t e = 0;

	if (fd < 0 || pread(fd, &e, 8, (uintptr_t)addr / PAGE * 8) != 8)
		fail("read pagemap: %s", strerror(errno));
	close(fd);
	return e;
}

#define PM_PRESENT (1UL << 63)
#define PM_SWAP (1UL << 62)
#define PM_FRAME ((1UL << 55) - 1)

/* vm_flags copies the VmFlags of the mapping that holds addr. */
static UNUSED void vm_flags(const void *addr, char *out, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long from, to;
	char line[512];
	int here = 0;

	out[0] = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = from <= (uintptr_t)addr && (uintptr_t)addr < to;
		else if (here && !strncmp(line, "VmFlags: ", 9)) {
			snprintf(out, size, "%s", line + 9);
			break;
		}
	}
	if (f)
		fclose(f);
	out[strcspn(out, "\n")] = 0;
}

#endif
