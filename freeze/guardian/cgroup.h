/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroups are emptied and removed. */
#pragma once

#include "guardian.h"
#include "text.h"

/* move writes one pid to a cgroup.procs. A task that has ended need not move. */
static int move(int procs, unsigned pid)
{
	char text[16], *end = text + sizeof(text), *at = decimal(end, pid);

	return sys_write(procs, at, end - at) > 0;
}

/*
 * evacuate moves the processes of dir to origin, and returns how many. 0 in
 * cgroup.procs is a process of another pid namespace: written it would mean us.
 */
static int evacuate(const char *dir, const char *origin)
{
	int from = open_in(dir, "cgroup.procs", O_RDONLY), to, moved = 0;
	static char text[64 << 10];
	long n, i;
	unsigned pid = 0;

	if (from < 0)
		return 0;
	to = open_in(origin, "cgroup.procs", O_WRONLY);
	/* Moving changes what is read: once is enough, there will be a next try. */
	n = to < 0 ? 0 : sys_read(from, text, sizeof(text));
	for (i = 0; i < n; i++) {
		if (text[i] != '\n') {
			pid = pid * 10 + (text[i] - '0');
			continue;
		}
		if (pid)
			moved += move(to, pid);
		pid = 0;
	}
	if (to >= 0)
		sys_close(to);
	sys_close(from);
	return moved;
}

/*
 * empty moves what is in and below the cgroup path to origin and removes it, once.
 * path is as it was when it returns. It tells how many processes were moved.
 */
static int empty(char path[PATH_MAX], const char *origin)
{
	char entries[2048];
	size_t end = length(path);
	int moved = evacuate(path, origin);
	int dir = sys_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n, i;

	while (dir >= 0 && (n = sys_getdents(dir, entries, sizeof(entries))) > 0) {
		for (i = 0; i < n; i += ((struct dirent *)(entries + i))->reclen) {
			struct dirent *e = (struct dirent *)(entries + i);

			if (e->type != DT_DIR || equal(e->name, ".") || equal(e->name, ".."))
				continue;
			if (join(path, path, e->name))
				moved += empty(path, origin);
			path[end] = 0;
		}
	}
	if (dir >= 0)
		sys_close(dir);
	sys_rmdir(path);
	return moved;
}

static long long seconds(void)
{
	struct __kernel_timespec now;

	sys_clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* dissolve empties and removes a temporary cgroup: tasks may fork and end meanwhile. */
static int dissolve(const char *dir, const char *origin, long long until)
{
	static char path[PATH_MAX];
	int fd, moved;

	copy(path, dir, length(dir) + 1);
	for (;;) {
		moved = empty(path, origin);
		fd = sys_open(dir, O_PATH | O_CLOEXEC);
		if (fd == -ENOENT)
			return 0;
		if (fd >= 0)
			sys_close(fd);
		if (seconds() > until)
			return 1;
		if (!moved)
			pause_a_moment();
	}
}

/* populated tells whether anybody lives in a cgroup or below it, by its cgroup.events. */
static int populated(const char *dir)
{
	static const char yes[] = "populated 1";
	char text[64] = "";
	int fd = open_in(dir, "cgroup.events", O_RDONLY);
	size_t i = 0;

	if (fd < 0)
		return 0;
	sys_read(fd, text, sizeof(text) - 1);
	sys_close(fd);
	while (yes[i] && text[i] == yes[i])
		i++;
	return !yes[i];
}
