// SPDX-License-Identifier: Apache-2.0
/*
 * Memfds: open only, mapped only, both; private copies; seals; descriptors with positions that
 * a child shares or has opened anew.
 */
#include "pages.h"
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8
#endif

static int memfd(const char *name, unsigned flags, size_t pages, uint64_t seed)
{
	int fd = memfd_create(name, flags);
	char *p;

	MUST(fd >= 0 && ftruncate(fd, pages * PAGE) == 0);
	if (pages && seed) {
		p = map(pages, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		fill(p, pages, seed);
		munmap(p, pages * PAGE);
	}
	return fd;
}

static int reopen(int fd, int flags)
{
	char path[64];
	int out;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST((out = open(path, flags)) >= 0);
	return out;
}

static void check_name(int fd, const char *want)
{
	char path[64], got[300];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, got, sizeof(got) - 1);
	got[n > 0 ? n : 0] = 0;
	CHECK(!strcmp(got, want), "fd %d is %s, was %s", fd, got, want);
}

static void check_content(int fd, size_t pages, uint64_t seed)
{
	char *p = malloc(pages * PAGE);

	CHECK(pread(fd, p, pages * PAGE, 0) == (ssize_t)(pages * PAGE), "fd %d: short", fd);
	CHECK(wrong_page(p, pages, seed) < 0, "fd %d: page %ld differs", fd, wrong_page(p, pages, seed));
	free(p);
}

static void check_seals(int fd, int want)
{
	int got = fcntl(fd, F_GET_SEALS);

	CHECK(got == want, "fd %d: seals %#x, were %#x", fd, got, want);
}

/* private_of maps somebody's shared memory privately: the fourth page is nobody's yet. */
static char *private_of(char *shared, size_t pages)
{
	char path[64], *p;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (long)shared, (long)(shared + pages * PAGE));
	fd = open(path, O_RDWR);
	MUST(fd >= 0);
	p = map(pages, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	fill(p + 2 * PAGE, 1, 8);
	close(fd);
	return p;
}

int main(void)
{
	int closed = memfd("some name", 0, 8, 0);
	int only = memfd("open only", 0, 5, 2);
	int both = memfd("", MFD_ALLOW_SEALING | MFD_CLOEXEC, 6, 0);
	int empty = memfd("empty", MFD_ALLOW_SEALING, 0, 0);
	int odd = memfd("odd (deleted)", 0, 0, 0);
	int fixed = memfd("fixed", MFD_ALLOW_SEALING, 3, 4);
	int frozen = memfd("future", MFD_ALLOW_SEALING, 2, 0);
	int sparse = memfd("sparse", 0, 1 << 18, 0); /* 1 GiB */
	int noexec = memfd_create("no program", MFD_NOEXEC_SEAL); /* Linux 6.3 */
	int reader, again, append, dupped, status = -1;
	char *mapped, *writer, *readonly, *copy, *late, *tail, *page = malloc(PAGE);
	char *shared, *its;
	volatile int *turn = (int *)anon(1, MAP_SHARED);
	struct stat st;
	pid_t pid;

	mapped = map(8, PROT_READ | PROT_WRITE, MAP_SHARED, closed, 0);
	close(closed);
	fill(mapped, 4, 1);

	writer = map(6, PROT_READ | PROT_WRITE, MAP_SHARED, both, 0);
	fill(writer, 6, 3);
	readonly = map(4, PROT_READ, MAP_SHARED, both, 2 * PAGE);
	copy = map(6, PROT_READ | PROT_WRITE, MAP_PRIVATE, both, 0);
	fill(copy + PAGE, 2, 5); /* its own from here on */
	reader = reopen(both, O_RDONLY);
	tail = map(2, PROT_READ, MAP_SHARED, reader, 0); /* can never be made writable */
	MUST(mprotect(tail, PAGE, PROT_READ | PROT_WRITE) < 0);
	MUST(lseek(reader, 4711, SEEK_SET) == 4711);
	append = reopen(only, O_WRONLY | O_APPEND | O_NONBLOCK);

	MUST(ftruncate(odd, PAGE + 100) == 0 && pwrite(odd, "end", 3, PAGE + 97) == 3);
	MUST(fchmod(odd, 0640) == 0);
	MUST(fcntl(fixed, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0);
	late = map(2, PROT_READ | PROT_WRITE, MAP_SHARED, frozen, 0);
	fill(late, 2, 6);
	MUST(fcntl(frozen, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	MUST(pwrite(sparse, "x", 1, 700 << 20) == 1);
	dupped = dup(both);
	MUST(lseek(both, 1000, SEEK_SET) == 1000);

	MUST((pid = fork()) >= 0);
	if (pid == 0) {
		again = reopen(both, O_RDWR);
		*turn = 1;
		while (*turn < 2)
			pause_ms(5);
		CHECK(lseek(both, 0, SEEK_CUR) == 1000 && lseek(again, 0, SEEK_CUR) == 0, "child: position %ld %ld",
		      (long)lseek(both, 0, SEEK_CUR), (long)lseek(again, 0, SEEK_CUR));
		CHECK(wrong_page(writer, 6, 3) < 0, "child: shared page differs");
		CHECK(wrong_page(copy + PAGE, 2, 5) < 0, "child: private page differs");
		CHECK(wrong_page(mapped, 4, 1) < 0, "child: mapped only: page differs");
		lseek(both, 2000, SEEK_SET);
		CHECK(pwrite(again, "child", 5, 5 * PAGE) == 5, "child: write: %s", strerror(errno));
		mapped[7 * PAGE] = 7;
		_exit(target_failed);
	}
	while (!*turn)
		pause_ms(1);
	shared = anon(4, MAP_SHARED);
	fill(shared, 3, 7);
	its = private_of(shared, 4);

	ready();
	await_check();

	CHECK(wrong_page(mapped, 4, 1) < 0, "mapped only: page %ld differs", wrong_page(mapped, 4, 1));
	CHECK(not_zero(mapped + 4 * PAGE, 4) < 0, "pages that were never written are not zero");
	check_content(only, 5, 2);
	check_name(only, "/memfd:open only (deleted)");
	check_name(odd, "/memfd:odd (deleted) (deleted)");
	check_name(both, "/memfd: (deleted)");
	check_seals(only, F_SEAL_SEAL);
	check_seals(both, 0);
	check_seals(empty, 0);
	check_seals(fixed, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	check_seals(frozen, F_SEAL_FUTURE_WRITE);
	if (noexec >= 0) {
		check_seals(noexec, F_SEAL_EXEC);
		CHECK(fstat(noexec, &st) == 0 && (st.st_mode & 0777) == 0666 && fchmod(noexec, 0777) < 0, "mode %o", st.st_mode);
	}
	check_content(fixed, 3, 4);
	CHECK(write(fixed, "x", 1) < 0 && errno == EPERM, "a sealed memfd is written to");
	CHECK(fstat(empty, &st) == 0 && st.st_size == 0, "the empty one has %ld bytes", (long)st.st_size);
	CHECK(fstat(odd, &st) == 0 && st.st_size == (off_t)PAGE + 100 && (st.st_mode & 07777) == 0640, "size %ld, mode %o",
	      (long)st.st_size, st.st_mode);
	CHECK(pread(odd, page, PAGE, PAGE + 97) == 3 && !memcmp(page, "end", 3), "the end is lost");
	CHECK(fstat(sparse, &st) == 0 && st.st_blocks <= 16, "sparse: %ld blocks", (long)st.st_blocks);
	CHECK(pread(sparse, page, 1, 700 << 20) == 1 && *page == 'x', "sparse: content differs");
	CHECK(wrong_page(late, 2, 6) < 0, "future: page differs");
	late[0] ^= 1;
	CHECK(pread(frozen, page, 1, 0) == 1 && *page == late[0], "future: no longer its mapping");
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, frozen, 0) == MAP_FAILED, "future: mapped for writing");

	CHECK(wrong_page(writer, 6, 3) < 0, "shared page %ld differs", wrong_page(writer, 6, 3));
	CHECK(wrong_page(copy + PAGE, 2, 5) < 0, "private page %ld differs", wrong_page(copy + PAGE, 2, 5));
	CHECK(!memcmp(copy, writer, PAGE) && !memcmp(copy + 3 * PAGE, writer + 3 * PAGE, 3 * PAGE), "what was not written to is no longer the memfd's");
	CHECK(!memcmp(readonly, writer + 2 * PAGE, 4 * PAGE), "second mapping differs");
	CHECK(mprotect(tail, PAGE, PROT_READ | PROT_WRITE) < 0, "a mapping of a read-only descriptor became writable");
	writer[4 * PAGE + 9] ^= 3;
	CHECK(readonly[2 * PAGE + 9] == writer[4 * PAGE + 9], "the mappings are no longer of one memfd");
	CHECK(copy[4 * PAGE + 9] == writer[4 * PAGE + 9], "a private page that was not written to does not follow");
	writer[4 * PAGE + 9] ^= 3;
	CHECK(lseek(both, 0, SEEK_CUR) == 1000 && lseek(dupped, 0, SEEK_CUR) == 1000, "position %ld", (long)lseek(both, 0, SEEK_CUR));
	CHECK(lseek(reader, 0, SEEK_CUR) == 4711, "position of the reader %ld", (long)lseek(reader, 0, SEEK_CUR));
	CHECK((fcntl(reader, F_GETFL) & O_ACCMODE) == O_RDONLY && write(reader, "", 1) < 0, "the reader writes");
	CHECK((fcntl(append, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) == (O_WRONLY | O_APPEND | O_NONBLOCK), "flags %#x", fcntl(append, F_GETFL));
	CHECK(fcntl(both, F_GETFD) == FD_CLOEXEC && fcntl(dupped, F_GETFD) == 0, "close-on-exec %d %d", fcntl(both, F_GETFD), fcntl(dupped, F_GETFD));

	CHECK(wrong_page(its, 2, 7) < 0 && wrong_page(its + 2 * PAGE, 1, 8) < 0, "a private mapping of shared memory differs");
	CHECK(wrong_page(shared, 3, 7) < 0, "shared memory differs");
	shared[3 * PAGE] = 9;
	CHECK(its[3 * PAGE] == 9, "a private mapping is no longer of the shared memory");

	*turn = 2;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "the child ended with %#x", status);
	CHECK(lseek(dupped, 0, SEEK_CUR) == 2000, "the position is no longer shared");
	CHECK(!memcmp(writer + 5 * PAGE, "child", 5), "the child writes to another memfd");
	CHECK(mapped[7 * PAGE] == 7, "the child maps another memfd");
	return verdict();
}
