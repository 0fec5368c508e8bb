/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a test program needs to be dumped, restored and to judge itself.
 *
 *	int main(void)
 *	{
 *		MUST(set_up_something() == 0);		before the dump: exits 2
 *		ready();				the harness may dump from here on
 *		await_check();				… and has restored us from here on
 *		CHECK(still_there(), "lost: %d", x);	a line in the file "result"
 *		return verdict();			the last line, and the exit code
 *	}
 *
 * Everything goes through three files in the working directory: "ready", "check" and
 * "result". No signal, no socket and no descriptor is needed, so that the protocol is
 * nothing the dump has to get right. hold_files() is for a program that may soon open
 * nothing more (seccomp): it keeps "check" and "result" open.
 */
#ifndef TARGET_H
#define TARGET_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static volatile int target_failed;
static int target_check_fd = -1, target_result_fd = -1;
static int target_no_sleep; /* seccomp strict: spin in read() */
static char target_check_word[64];

/* now returns CLOCK_MONOTONIC in nanoseconds. */
static UNUSED int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* pause_ms sleeps whatever interrupts it. */
static UNUSED void pause_ms(long ms)
{
	int64_t end = now() + ms * 1000000LL;
	struct timespec ts;

	for (int64_t left; (left = end - now()) > 0;) {
		ts.tv_sec = left / 1000000000;
		ts.tv_nsec = left % 1000000000;
		nanosleep(&ts, NULL);
	}
}

/* MUST is for the set-up: what fails there is no verdict on the dump. */
#define MUST(cond)                                                                                  \
	do {                                                                                        \
		if (!(cond)) {                                                                      \
			dprintf(2, "%s:%d: %s: %s\n", __FILE__, __LINE__, #cond, strerror(errno));  \
			_exit(2);                                                                   \
		}                                                                                   \
	} while (0)

static UNUSED void target_line(const char *line, size_t n)
{
	int fd = target_result_fd;

	if (fd < 0)
		fd = open("result", O_WRONLY | O_CREAT | O_APPEND, 0666);
	if (write(fd, line, n) != (ssize_t)n)
		_exit(3);
	if (target_result_fd < 0)
		close(fd);
}

/* fail adds one "fail: …" line to the result; callable from any thread or child. */
static UNUSED __attribute__((format(printf, 1, 2))) void fail(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n, m;

	target_failed = 1;
	n = snprintf(line, sizeof(line), "fail: ");
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n += m < (int)sizeof(line) - n - 1 ? m : (int)sizeof(line) - n - 2;
	line[n++] = '\n';
	target_line(line, n);
}

/* CHECK adds a line to the result if cond does not hold; it goes on either way. */
#define CHECK(cond, ...)                   \
	do {                               \
		if (!(cond))               \
			fail(__VA_ARGS__); \
	} while (0)

/* hold_files keeps the protocol's files open: from then on it needs read, write and nanosleep only. */
static UNUSED void hold_files(void)
{
	MUST((target_check_fd = open("check", O_RDONLY | O_CREAT, 0666)) >= 0);
	MUST((target_result_fd = open("result", O_WRONLY | O_CREAT | O_APPEND, 0666)) >= 0);
}

/* ready tells the harness that it may dump. */
static UNUSED void ready(void)
{
	int fd = open("ready.new", O_WRONLY | O_CREAT, 0666);

	MUST(fd >= 0);
	close(fd); /* the harness looks at our descriptors as soon as it sees the file */
	MUST(rename("ready.new", "ready") == 0);
}

/* checking says whether the harness asked for a verdict. */
static UNUSED int checking(void)
{
	int fd = target_check_fd, n;

	if (fd < 0 && (fd = open("check", O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	n = read(fd, target_check_word, sizeof(target_check_word) - 1);
	if (target_check_fd < 0)
		close(fd);
	return n > 0;
}

/* await_check waits for the harness; a forgotten program ends by itself. */
static UNUSED void await_check(void)
{
	struct timespec ts = { 0, 10 * 1000 * 1000 };

	for (int i = 0; !checking(); i++) {
		if (target_no_sleep)
			continue;
		if (i > 60000)
			_exit(4);
		nanosleep(&ts, NULL);
	}
}

/* verdict writes the last line of the result and returns the exit code. */
static UNUSED int verdict(void)
{
	if (target_failed)
		target_line("fail\n", 5);
	else
		target_line("pass\n", 5);
	return target_failed;
}

/*
 * checked_live says that this program was never killed: it ran on after dump -R. The
 * freezer wakes sleepers as a signal does, which nothing can hide from a live program.
 */
static UNUSED int checked_live(void)
{
	return !strncmp(target_check_word, "live", 4) && !strstr(target_check_word, "restart-calls");
}

/* by_criu says that criu made the dump: it does not promise all that fastcr does. */
static UNUSED int by_criu(void)
{
	const char *d = getenv("FASTCR_DUMPER");

	return d && !strcmp(d, "criu");
}

#endif
