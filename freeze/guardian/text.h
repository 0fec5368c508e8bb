/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and paths. */
#pragma once

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>

#include "syscall.h"

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static int equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* join makes "dir/name" in path, and tells whether it fits. */
static int join(char path[PATH_MAX], const char *dir, const char *name)
{
	size_t d = length(dir), n = length(name);

	if (d + 1 + n + 1 > PATH_MAX)
		return 0;
	if (path != dir)
		copy(path, dir, d);
	path[d] = '/';
	copy(path + d + 1, name, n + 1);
	return 1;
}

static int open_in(const char *dir, const char *name, int flags)
{
	char path[PATH_MAX];

	if (!join(path, dir, name))
		return -ENAMETOOLONG;
	return sys_open(path, flags | O_CLOEXEC);
}

/* decimal writes a number in front of end, and returns where it begins. */
static char *decimal(char *end, unsigned n)
{
	do
		*--end = '0' + n % 10;
	while (n /= 10);
	return end;
}

/* of_fastcr makes "/proc/PID/NAME" of fastcr in path. */
static void of_fastcr(char path[64], const char *name)
{
	char number[16], *end = number + sizeof(number), *at = decimal(end, sys_getppid());

	copy(path, "/proc/", 6);
	copy(path + 6, at, end - at);
	path[6 + (end - at)] = '/';
	copy(path + 7 + (end - at), name, length(name) + 1);
}
