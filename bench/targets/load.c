// SPDX-License-Identifier: Apache-2.0
/*
 * A process tree of a given size: load FILE KEY=VALUE...
 *   mib=N       anonymous memory, every page written
 *   huge=1      of it in transparent huge pages
 *   threads=N   threads that wait, beside two that work
 *   epoll=1     they wait in epoll_wait(2), which a freeze interrupts
 *   vmas=N      mappings of a page each that cannot be merged
 *   fds=N       open files: regular ones
 *   kinds=N     of N kinds in turn (at most 10: see files.h), or of one: its name
 *   queued=1    a byte waits in every pipe and connection
 *   procs=N     processes that wait
 *   rewrite=P   per cent of the memory that is rewritten in a second
 *   zipf=1      few pages most of the time, instead of all alike
 *
 * FILE is mapped shared by whoever watches: see struct board. One thread reads the
 * clock in a loop and keeps the longest gap between two reads. Another rewrites the
 * memory and checks, when asked, that every page holds what was written last, and that
 * the mappings, files, threads and processes are there.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "files.h"

#define PAGE 4096ul

static volatile struct board {
	uint64_t gap;   /* nanoseconds: the longest gap; whoever maps it may set it to 0 */
	uint64_t beats; /* reads of the clock */
	uint64_t ask;   /* counted up to have the memory checked */
	uint64_t told;  /* the question that was answered */
	uint64_t wrong; /* so much was not right then; stderr says what */
	uint64_t ready;
	uint64_t at; /* CLOCK_MONOTONIC, nanoseconds, of the last beat */
	uint64_t interrupted; /* calls that returned EINTR, though nobody sent a signal */
} *board;

static unsigned long mib, huge, threads, epoll, vmas, procs = 1, rewrite, zipf;
static char *memory, **mappings;
static pid_t *children;
static size_t pages;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void *watch(void *unused)
{
	uint64_t last = now(), t;

	for (;; last = t) {
		board->at = t = now();
		board->beats++;
		if (t - last > board->gap)
			board->gap = t - last;
	}
	return unused;
}

/* A page holds its number and how often it was written, and both inverted. */
static void write_page(size_t i, uint64_t generation)
{
	volatile uint64_t *p = (volatile uint64_t *)(memory + i * PAGE);

	p[0] = generation << 32 | i;
	p[511] = ~(generation << 32 | i);
}

static uint64_t wrong_pages(void)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < pages; i++) {
		volatile uint64_t *p = (volatile uint64_t *)(memory + i * PAGE);

		wrong += (uint32_t)p[0] != (uint32_t)i || p[511] != ~p[0];
	}
	if (wrong)
		fprintf(stderr, "%lu pages are not as they were\n", wrong);
	return wrong;
}

static uint64_t wrong_mappings(void)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < vmas / 2; i++) /* ENOMEM: nothing is mapped there */
		wrong += msync(mappings[i], 2 * PAGE, MS_ASYNC) != 0;
	if (wrong)
		fprintf(stderr, "%lu pairs of mappings are gone\n", wrong);
	return wrong;
}

static uint64_t wrong_tasks(void)
{
	unsigned long found = 0, living = 0;
	DIR *d = opendir("/proc/self/task");

	for (struct dirent *e; d && (e = readdir(d));)
		found += e->d_name[0] != '.';
	if (d)
		closedir(d);
	for (size_t i = 1; i < procs; i++)
		living += waitpid(children[i], NULL, WNOHANG) == 0;
	if (found == threads + 3 && living == procs - 1)
		return 0;
	fprintf(stderr, "%lu threads and %lu children, not %lu and %lu\n", found, living, threads + 3, procs - 1);
	return 1;
}

static size_t pick(uint64_t *seed)
{
	double u;

	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	u = (double)(*seed >> 11) / (double)(1ull << 53);
	/* nine tenths of the writes go to the first hundredth, and so on */
	return zipf ? (size_t)(pages * pow(u, 44)) : (size_t)(pages * u);
}

static void *work(void *unused)
{
	uint64_t seed = 1, generation = 1, started = now(), done = 0;

	for (;;) {
		struct timespec pause = { .tv_nsec = 1000000 };
		uint64_t due = (now() - started) / 1000 * rewrite / 100 * pages / 1000000;

		if (done + pages < due)
			done = due - pages; /* it stood still: what was missed is not made up for */
		for (; pages && done < due; done++)
			write_page(pick(&seed), ++generation);
		if (board->told != board->ask) {
			uint64_t question = board->ask;

			board->wrong = wrong_pages() + wrong_mappings() + wrong_files() + wrong_tasks();
			board->told = question;
		}
		nanosleep(&pause, NULL);
	}
	return unused;
}

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void *wait_in_epoll(void *unused)
{
	struct epoll_event e;
	int fd = must(epoll_create1(0), "epoll_create1");

	while (epoll_wait(fd, &e, 1, -1) < 0)
		__atomic_add_fetch(&board->interrupted, 1, __ATOMIC_RELAXED);
	return unused;
}

static void thread(void *(*body)(void *))
{
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	if (pthread_create(&id, &attr, body, NULL))
		die("pthread_create");
}

static void fill_memory(void)
{
	pages = mib << 8;
	if (!pages)
		return;
	/* One huge page more: the start can be aligned. */
	memory = mmap(NULL, pages * PAGE + (2 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	memory = (char *)(((uintptr_t)memory + (2 << 20) - 1) & ~((uintptr_t)(2 << 20) - 1));
	madvise(memory, pages * PAGE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (size_t i = 0; i < pages; i++)
		write_page(i, 0);
}

static void make_vmas(void)
{
	mappings = calloc(vmas / 2 + 1, sizeof(*mappings));
	for (size_t i = 0; i < vmas / 2; i++) { /* alternating protections: none are merged */
		char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (two == MAP_FAILED || mprotect(two, PAGE, PROT_READ))
			die("mmap");
		mappings[i] = two;
	}
}

static void parse(const char *arg)
{
	static const struct {
		const char *key;
		unsigned long *to;
	} keys[] = { { "mib", &mib },     { "huge", &huge },     { "threads", &threads }, { "vmas", &vmas },       { "fds", &fds },
		     { "queued", &queued }, { "procs", &procs },     { "rewrite", &rewrite }, { "zipf", &zipf },       { "epoll", &epoll } };
	const char *value = strchr(arg, '=');

	if (!strncmp(arg, "kinds=", 6)) {
		choose_kinds(arg + 6);
		return;
	}
	for (size_t i = 0; value && i < sizeof(keys) / sizeof(*keys); i++)
		if (strlen(keys[i].key) == (size_t)(value - arg) && !strncmp(arg, keys[i].key, value - arg)) {
			*keys[i].to = strtoul(value + 1, NULL, 10);
			return;
		}
	fprintf(stderr, "load: %s?\n", arg);
	exit(2);
}

int main(int argc, char **argv)
{
	struct rlimit most;
	int fd;

	if (argc < 2)
		return 2;
	for (int i = 2; i < argc; i++)
		parse(argv[i]);
	fd = open(argv[1], O_RDWR);
	board = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (board == MAP_FAILED)
		die(argv[1]);
	close(fd);
	getrlimit(RLIMIT_NOFILE, &most);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	children = calloc(procs + 1, sizeof(*children));
	for (size_t i = 1; i < procs; i++) {
		children[i] = must(fork(), "fork");
		if (!children[i])
			wait_for_ever(NULL);
	}
	fill_memory();
	make_vmas();
	open_files();
	for (size_t i = 0; i < threads; i++)
		thread(epoll ? wait_in_epoll : wait_for_ever);
	thread(work);
	thread(watch);
	board->ready = 1;
	wait_for_ever(NULL);
}
