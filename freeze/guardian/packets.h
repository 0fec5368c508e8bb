/* SPDX-License-Identifier: Apache-2.0 */
/* Locks of network packets are lifted. */
#pragma once

#include <linux/bpf.h>

#include "guardian.h"

/* The lock of network packets that outlives fastcr, and the one that does not. */
static char words[512];
static size_t words_used;
static int lock_map = -1, lock_socket = -1;
static char lock_off[512];
static size_t lock_off_used;

static int note_words(const char *message, size_t n)
{
	if (n > sizeof(words))
		return 0;
	copy(words, message, n);
	words_used = n;
	return 1;
}

static int note_map(const char *message, size_t n)
{
	union bpf_attr attr = { .map_id = 0 };

	if (n != sizeof(attr.map_id) || lock_map >= 0)
		return 0;
	copy((char *)&attr.map_id, message, n);
	lock_map = sys_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof(attr));
	return lock_map >= 0;
}

static int note_socket(const char *message, size_t n)
{
	__u32 fd;

	if (n < sizeof(fd) || n > sizeof(fd) + sizeof(lock_off) || lock_socket >= 0)
		return 0;
	copy((char *)&fd, message, sizeof(fd));
	lock_off_used = n - sizeof(fd);
	copy(lock_off, message + sizeof(fd), lock_off_used);
	lock_socket = sys_pidfd_getfd(PIDFD, fd);
	return lock_socket >= 0;
}

/* speak sends the last words. They are harmless where there is nothing to remove. */
static void speak(void)
{
	int fd;

	if (!words_used)
		return;
	fd = sys_socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
	if (fd < 0)
		return;
	sys_write(fd, words, words_used);
	sys_close(fd);
}

/* lift has the packets pass for which fastcr holds a lock. */
static void lift(void)
{
	__u32 zero = 0;
	union bpf_attr attr = { .map_fd = lock_map };

	attr.key = attr.value = (long)&zero;
	if (lock_map >= 0)
		sys_bpf(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr));
	if (lock_socket >= 0)
		sys_write(lock_socket, lock_off, lock_off_used);
}
