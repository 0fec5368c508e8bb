// SPDX-License-Identifier: Apache-2.0
/* Huge pages of hugetlbfs: private, shared with a child, and memfds of them. */
#include "pages.h"
#include <linux/memfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define HUGE 512 /* pages in 2 MiB */
#define BYTES (HUGE * PAGE)
#define FLAGS (MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT)

static void check_huge(const char *what, void *p)
{
	char flags[512];

	vm_flags(p, flags, sizeof(flags));
	CHECK(strstr(flags, "ht"), "%s: not of huge pages: %s", what, flags);
}

int main(void)
{
	char *mine = map(2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | FLAGS, -1, 0);
	char *ours = map(2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | FLAGS, -1, 0);
	char *half = map(HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | FLAGS, -1, 0);
	int fd = memfd_create("huge", MFD_HUGETLB | MFD_ALLOW_SEALING | 21 << MFD_HUGE_SHIFT);
	int closed = memfd_create("closed", MFD_HUGETLB);
	volatile char *turn = anon(1, MAP_SHARED);
	char *memfd, *copy, *only;
	struct statfs fs;
	struct stat st;
	int status = -1;
	pid_t pid;

	MUST(fd >= 0 && closed >= 0 && ftruncate(fd, 2 * BYTES) == 0 && ftruncate(closed, BYTES) == 0);
	memfd = map(2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	copy = map(2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	only = map(HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, closed, 0);
	close(closed);
	fill(mine, HUGE, 1); /* the second stays untouched */
	fill(ours, HUGE, 2);
	fill(half + BYTES / 2, HUGE / 2, 3);
	fill(memfd, 2 * HUGE, 5);
	fill(copy + BYTES, HUGE, 6); /* its own from here on */
	fill(only, HUGE, 7);
	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
	MUST(lseek(fd, 5000, SEEK_SET) == 5000);
	MUST((pid = fork()) >= 0);
	if (pid == 0) {
		while (!*turn)
			pause_ms(5);
		CHECK(wrong_page(ours, HUGE, 2) < 0, "child: shared huge page differs");
		CHECK(wrong_page(mine, HUGE, 1) < 0, "child: private huge page differs");
		fill(ours, HUGE, 4);
		fill(memfd, HUGE, 8);
		_exit(target_failed);
	}
	ready();
	await_check();
	check_huge("private", mine);
	check_huge("shared", ours);
	check_huge("memfd", memfd);
	check_huge("private of a memfd", copy);
	CHECK(fstatfs(fd, &fs) == 0 && fs.f_bsize == BYTES, "the memfd has pages of %ld bytes", (long)fs.f_bsize);
	CHECK(wrong_page(mine, HUGE, 1) < 0 && not_zero(mine + BYTES, 1) < 0, "private huge page differs");
	CHECK(wrong_page(ours, HUGE, 2) < 0 && not_zero(ours + BYTES, HUGE) < 0, "shared huge page differs");
	CHECK(not_zero(half, HUGE / 2) < 0 && wrong_page(half + BYTES / 2, HUGE / 2, 3) < 0, "half a shared huge page differs");
	CHECK(wrong_page(memfd, 2 * HUGE, 5) < 0, "page %ld of the memfd differs", wrong_page(memfd, 2 * HUGE, 5));
	CHECK(!memcmp(copy, memfd, BYTES), "what was not written to is no longer the memfd's");
	CHECK(wrong_page(copy + BYTES, HUGE, 6) < 0, "private page of the memfd differs");
	CHECK(wrong_page(only, HUGE, 7) < 0, "memfd without a descriptor differs");
	CHECK(fstat(fd, &st) == 0 && st.st_size == 2 * BYTES, "the memfd has %ld bytes", (long)st.st_size);
	CHECK(fcntl(fd, F_GET_SEALS) == F_SEAL_GROW, "seals %#x", fcntl(fd, F_GET_SEALS));
	CHECK(lseek(fd, 0, SEEK_CUR) == 5000, "position %ld", (long)lseek(fd, 0, SEEK_CUR));
	*turn = 1;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "the child ended with %#x", status);
	CHECK(wrong_page(ours, HUGE, 4) < 0, "the shared huge page is no longer shared");
	CHECK(wrong_page(memfd, HUGE, 8) < 0, "the memfd is no longer shared");
	return verdict();
}
