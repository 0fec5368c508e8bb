/* SPDX-License-Identifier: Apache-2.0 */
/* TCP repairs are ended. */
#pragma once

#include "text.h"

/*
 * What fastcr writes while it goes on: count slots, of which those with a pid are sockets in
 * repair mode. killed says that the tree was ended: its sockets are to be closed as they are.
 */
struct repairs {
	__u32 count, killed;
	__u64 room; /* for slots */
	struct {
		__u32 pid, fd;
		__u32 reuseaddr; /* SO_REUSEADDR, which the end of a repair takes away */
		__u32 reserved;
	} of[];
};

static const volatile struct repairs *repairs;
static size_t repairs_most;

/* map_repairs maps the file that fastcr has open as fd. */
static int map_repairs(__u32 fd)
{
	char path[64], name[16] = "fd/", number[16], *end = number + sizeof(number), *at = decimal(end, fd);
	struct repairs head;
	long map, own;

	copy(name + 3, at, end - at);
	name[3 + (end - at)] = 0;
	of_fastcr(path, name);
	own = sys_open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return 0;
	map = sys_read(own, &head, sizeof(head));
	if (map == sizeof(head))
		map = sys_mmap(own, sizeof(head) + head.room * sizeof(head.of[0]));
	sys_close(own);
	if (map < 0 && map > -4096)
		return 0;
	repairs_most = head.room;
	repairs = (const volatile struct repairs *)map;
	return 1;
}

static int note_repairs(const char *message, size_t n)
{
	__u32 fd;

	if (n != sizeof(fd) || repairs)
		return 0;
	copy((char *)&fd, message, n);
	return map_repairs(fd);
}

/* mend ends the repair of sockets, without a probe to the peer. */
static void mend(void)
{
	size_t i;

	for (i = 0; repairs && i < repairs->count && i < repairs_most; i++) {
		int pidfd, fd;

		if (!repairs->of[i].pid)
			continue;
		pidfd = sys_pidfd_open(repairs->of[i].pid);
		fd = pidfd < 0 ? -1 : sys_pidfd_getfd(pidfd, repairs->of[i].fd);
		if (fd >= 0) {
			sys_setsockopt(fd, SOL_TCP, TCP_REPAIR_QUEUE, 0);
			sys_setsockopt(fd, SOL_TCP, TCP_REPAIR, -1);
			if (repairs->of[i].reuseaddr)
				sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
			sys_close(fd);
		}
		if (pidfd >= 0)
			sys_close(pidfd);
	}
}
