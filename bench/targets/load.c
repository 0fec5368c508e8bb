/*
 * A process of a given size: load GAPFILE MIB THREADS VMAS FDS.
 * One thread reads the clock in a loop and keeps the longest gap between two
 * reads, in nanoseconds, in the first 8 bytes of GAPFILE, which is mapped shared:
 * whoever else maps it may set it to 0.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t *gap;

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
		t = now();
		if (t - last > *gap)
			*gap = t - last;
	}
	return unused;
}

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

int main(int argc, char **argv)
{
	size_t mib, threads, vmas, fds, i;
	struct rlimit most;
	pthread_attr_t attr;
	pthread_t id;
	char *memory;
	int fd;

	if (argc != 6)
		return 2;
	mib = atol(argv[2]), threads = atol(argv[3]), vmas = atol(argv[4]), fds = atol(argv[5]);
	fd = open(argv[1], O_RDWR);
	gap = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (gap == MAP_FAILED)
		return 3;
	getrlimit(RLIMIT_NOFILE, &most);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	memory = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < mib << 20; i += 4096)
		memory[i] = i >> 12 | 1;
	for (i = 0; i < vmas / 2; i++) { /* alternating protections: none are merged */
		char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (two == MAP_FAILED || mprotect(two, 4096, PROT_READ))
			return 4;
	}
	for (i = 0; i < fds; i++)
		if (open("/dev/null", O_RDONLY) < 0)
			return 5;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (i = 1; i < threads; i++)
		if (pthread_create(&id, &attr, wait_for_ever, NULL))
			return 6;
	if (pthread_create(&id, &attr, watch, NULL))
		return 6;
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
