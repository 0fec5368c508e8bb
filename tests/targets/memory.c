// SPDX-License-Identifier: Apache-2.0
/* Every common kind of mapping, the heap, the stack, the vdso. */
#include "pages.h"
#include <sys/auxv.h>
#include <sys/time.h>
#include <sys/wait.h>

static char *private_anon, *untouched, *read_zero, *none, *write_only, *code, *read_only;
static char *shared, *shared_again, *shared_tail;
static char *file_private, *file_shared, *deleted_private, *deleted_shared, *short_file;
static char *dev_zero, *grows_down, *reserve_less, *locked, *heap, *sbrk_end;
static volatile int *child_says;

static int new_file(const char *name, size_t pages, uint64_t seed)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0666);
	char *p;

	MUST(fd >= 0 && ftruncate(fd, pages * PAGE) == 0);
	p = map(pages, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fill(p, pages, seed);
	munmap(p, pages * PAGE);
	return fd;
}

static void set_up_anon(void)
{
	static const unsigned char return_42[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

	private_anon = anon(64, MAP_PRIVATE);
	fill(private_anon, 64, 1);
	madvise(private_anon + 10 * PAGE, 5 * PAGE, MADV_DONTNEED); /* a hole that reads as zero */
	untouched = anon(16384, MAP_PRIVATE);
	untouched[5 * PAGE] = 7;
	read_zero = anon(8, MAP_PRIVATE);
	MUST(not_zero(read_zero, 8) < 0); /* the zero page is mapped now */
	none = anon(4, MAP_PRIVATE);
	fill(none, 4, 2);
	MUST(mprotect(none, 4 * PAGE, PROT_NONE) == 0);
	write_only = anon(4, MAP_PRIVATE);
	fill(write_only, 4, 3);
	MUST(mprotect(write_only, 4 * PAGE, PROT_WRITE) == 0);
	read_only = anon(4, MAP_PRIVATE);
	fill(read_only, 4, 4);
	MUST(mprotect(read_only, 4 * PAGE, PROT_READ) == 0);
	code = anon(1, MAP_PRIVATE);
	memcpy(code, return_42, sizeof(return_42));
	MUST(mprotect(code, PAGE, PROT_EXEC) == 0);
	reserve_less = anon(16, MAP_PRIVATE | MAP_NORESERVE);
	fill(reserve_less, 2, 5);
	locked = anon(4, MAP_PRIVATE | MAP_LOCKED);
	/* room to grow, that is too small for the kernel to put anything else there */
	grows_down = map(32, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(grows_down + 16 * PAGE, 16 * PAGE);
	grows_down = mmap(grows_down + 31 * PAGE, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	MUST(grows_down != MAP_FAILED);
	fill(grows_down, 1, 6);
}

static void set_up_shared(void)
{
	int fd;

	shared = anon(32, MAP_SHARED);
	fill(shared, 32, 10);
	/* the same object a second time, and a part of it that the first mapping no longer shows */
	shared_again = mremap(shared, 0, 32 * PAGE, MREMAP_MAYMOVE);
	MUST(shared_again != MAP_FAILED);
	shared_tail = shared_again + 24 * PAGE;
	munmap(shared_again + 8 * PAGE, 16 * PAGE);
	munmap(shared + 16 * PAGE, 16 * PAGE);
	MUST((fd = open("/dev/zero", O_RDWR)) >= 0);
	dev_zero = map(4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fill(dev_zero, 4, 11);
	close(fd);
}

static void set_up_files(void)
{
	int fd = new_file("file", 16, 20);

	file_private = map(16, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	fill(file_private + 3 * PAGE, 1, 21);
	file_shared = map(8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4 * PAGE);
	close(fd);
	fd = new_file("deleted", 16, 22);
	deleted_private = map(16, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	fill(deleted_private, 2, 23);
	deleted_shared = map(8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8 * PAGE);
	close(fd);
	MUST(unlink("deleted") == 0);
	MUST((fd = open("short", O_RDWR | O_CREAT | O_TRUNC, 0666)) >= 0 && write(fd, "hundred", 7) == 7);
	short_file = map(3, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0); /* two pages lie beyond its end */
	short_file[2000] = 'x';
	close(fd);
}

static void set_up_heap(void)
{
	MUST((heap = sbrk(40 * PAGE)) != (void *)-1);
	heap = (char *)(((uintptr_t)heap + PAGE - 1) & ~(PAGE - 1));
	fill(heap, 39, 30);
	sbrk_end = sbrk(0);
}

/* The child checks what it shares, and changes it. */
static void child(void)
{
	while (*child_says == 0)
		pause_ms(5);
	CHECK(wrong_page(shared, 16, 10) < 0, "child: shared page %ld", wrong_page(shared, 16, 10));
	fill(shared + PAGE, 1, 77);
	*child_says = 2;
	while (*child_says == 2)
		pause_ms(5);
	CHECK(wrong_page(shared + 2 * PAGE, 1, 78) < 0, "child does not see what the parent wrote");
	_exit(target_failed);
}

static void check_pages(const char *what, const void *p, size_t n, uint64_t seed)
{
	long w = wrong_page(p, n, seed);

	CHECK(w < 0, "%s: page %ld differs", what, w);
}

static void check_anon(void)
{
	char *zero = private_anon + 10 * PAGE;
	int present = 0;

	CHECK(not_zero(zero, 5) < 0, "private: the hole is not zero");
	for (size_t i = 0; i < 16384; i++)
		present += (pagemap(untouched + i * PAGE) & (PM_PRESENT | PM_SWAP)) != 0;
	CHECK(present == 1 && untouched[5 * PAGE] == 7, "of the untouched pages %d are there", present);
	CHECK(not_zero(read_zero, 8) < 0, "zero pages are not zero");
	CHECK(mprotect(none, 4 * PAGE, PROT_READ) == 0, "mprotect: %s", strerror(errno));
	check_pages("PROT_NONE", none, 4, 2);
	CHECK(mprotect(write_only, 4 * PAGE, PROT_READ) == 0, "mprotect: %s", strerror(errno));
	check_pages("write-only", write_only, 4, 3);
	check_pages("read-only", read_only, 4, 4);
	CHECK(((int (*)(void))code)() == 42, "code");
	check_pages("MAP_NORESERVE", reserve_less, 2, 5);
	check_pages("MAP_GROWSDOWN", grows_down, 1, 6);
	for (int i = 1; i < 8; i++)
		*(volatile char *)(grows_down - i * PAGE) = i;
	CHECK(not_zero(locked, 4) < 0, "locked memory is not zero");
}

/* Of private memory only what surrounds the hole: the pattern counts words from the start. */
static void check_private(void)
{
	char *copy = anon(64, MAP_PRIVATE);

	fill(copy, 64, 1);
	CHECK(!memcmp(private_anon, copy, 10 * PAGE), "private: one of pages 0 to 9 differs");
	CHECK(!memcmp(private_anon + 15 * PAGE, copy + 15 * PAGE, 49 * PAGE), "private: one of pages 15 to 63 differs");
	munmap(copy, 64 * PAGE);
}

static void check_shared(pid_t pid)
{
	char *copy = anon(32, MAP_PRIVATE);
	int status = -1;

	fill(copy, 32, 10);
	check_pages("shared", shared, 16, 10);
	CHECK(!memcmp(shared_again, copy, 8 * PAGE), "the second mapping of the shared object differs");
	CHECK(!memcmp(shared_tail, copy + 24 * PAGE, 8 * PAGE), "the tail of the shared object differs");
	check_pages("/dev/zero", dev_zero, 4, 11);
	*child_says = 1;
	while (*child_says == 1 && waitpid(pid, &status, WNOHANG) == 0)
		pause_ms(5);
	check_pages("what the child wrote", shared + PAGE, 1, 77);
	CHECK(!memcmp(shared + PAGE, shared_again + PAGE, PAGE), "two mappings are no longer one object");
	fill(shared + 2 * PAGE, 1, 78);
	*child_says = 3;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "the child ended with %#x", status);
}

static void check_files(void)
{
	char *copy = anon(16, MAP_PRIVATE), *again;
	int fd = open("file", O_RDWR);

	fill(copy, 16, 20);
	CHECK(!memcmp(file_private, copy, 3 * PAGE), "private file mapping: clean pages differ");
	CHECK(!memcmp(file_private + 4 * PAGE, copy + 4 * PAGE, 12 * PAGE), "private file mapping: clean pages differ");
	check_pages("private file mapping, written", file_private + 3 * PAGE, 1, 21);
	CHECK(!memcmp(file_shared, copy + 4 * PAGE, 8 * PAGE), "shared file mapping");
	file_shared[0] ^= 1;
	again = map(16, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(again[4 * PAGE] == file_shared[0], "a shared file mapping does not reach the file");
	file_shared[0] ^= 1;
	fill(copy, 16, 22);
	check_pages("deleted file, private, written", deleted_private, 2, 23);
	CHECK(!memcmp(deleted_private + 2 * PAGE, copy + 2 * PAGE, 14 * PAGE), "deleted file, private, clean");
	CHECK(!memcmp(deleted_shared, copy + 8 * PAGE, 8 * PAGE), "deleted file, shared");
	deleted_shared[0] ^= 1;
	CHECK(deleted_private[8 * PAGE] == deleted_shared[0], "the two mappings of the deleted file are not one file");
	deleted_shared[0] ^= 1;
	CHECK(access("deleted", F_OK) < 0, "the deleted file has a name again");
	CHECK(!memcmp(short_file, "hundred", 7) && short_file[2000] == 'x', "short file");
}

static void check_heap(void)
{
	check_pages("heap", heap, 39, 30);
	CHECK(sbrk(0) == sbrk_end, "the break moved from %p to %p", sbrk_end, sbrk(0));
	CHECK(sbrk(20 * PAGE) == sbrk_end, "the break does not move");
	fill((char *)(((uintptr_t)sbrk_end + PAGE - 1) & ~(PAGE - 1)), 19, 31);
}

static int __attribute__((noinline)) deep(int n)
{
	volatile int frame[1024];

	frame[0] = n;
	frame[1023] = n + 1;
	return (n ? deep(n - 1) : 0) + frame[0] - frame[1023] + 1;
}

static void check_vdso(void)
{
	char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);
	struct timespec a, b, c;
	struct timeval tv;

	CHECK(vdso && !memcmp(vdso, "\177ELF", 4), "no vdso at %p", vdso);
	for (int i = 0; i < 1000; i++) {
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a);
		clock_gettime(CLOCK_MONOTONIC, &b);
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &c);
		if (b.tv_sec * 1000000000 + b.tv_nsec < a.tv_sec * 1000000000 + a.tv_nsec ||
		    b.tv_sec * 1000000000 + b.tv_nsec > c.tv_sec * 1000000000 + c.tv_nsec) {
			fail("the vdso's clock is not the kernel's");
			break;
		}
	}
	CHECK(gettimeofday(&tv, NULL) == 0 && labs(tv.tv_sec - time(NULL)) <= 1, "gettimeofday");
}

int main(void)
{
	volatile char on_stack[3 * PAGE];
	pid_t pid;

	for (size_t i = 0; i < sizeof(on_stack); i++)
		on_stack[i] = i % 251;
	set_up_anon();
	set_up_shared();
	set_up_files();
	set_up_heap();
	child_says = (int *)anon(1, MAP_SHARED);
	MUST((pid = fork()) >= 0);
	if (pid == 0)
		child();
	ready();
	await_check();
	check_private();
	check_anon();
	check_shared(pid);
	check_files();
	check_heap();
	for (size_t i = 0; i < sizeof(on_stack); i++)
		if (on_stack[i] != (char)(i % 251)) {
			fail("stack: byte %zu differs", i);
			break;
		}
	CHECK(deep(1000) == 0, "the stack does not grow"); /* 4 MiB */
	check_vdso();
	return verdict();
}
