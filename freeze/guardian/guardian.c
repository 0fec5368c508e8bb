// SPDX-License-Identifier: Apache-2.0
/*
 * The guardian: what thaws a held tree if fastcr dies.
 *
 * A frozen cgroup stays frozen when its freezer is gone. So fastcr starts this
 * program before it holds anything, and tells it of every cgroup first. It has no
 * libc, no heap and no threads: it runs 1 ms after it was started, takes 16 KiB,
 * and nothing that ends fastcr (a signal, the terminal, the OOM killer) ends it.
 *
 * Descriptors: 3 is a SOCK_SEQPACKET socket to fastcr, 4 a pidfd of fastcr. A message
 * is one of
 *   "DIR\0ORIGIN"  the directory of a cgroup and, if it is a temporary one, that of the
 *                  cgroup that its tasks came from
 *   "\0L" MESSAGE  a message for the kernel's netfilter netlink socket, that removes a
 *                  lock of network packets that would outlive fastcr
 *   "\0M" ID       the number (__u32) of a BPF map, whose value 0 at key 0 lifts a lock of
 *                  network packets that goes with fastcr
 *   "\0N" FD MESSAGE  the number (__u32) of fastcr's descriptor of a netfilter netlink socket, and a
 *                  message for it that lifts a lock that goes with it
 *   "\0R" FD        the number (__u32) of fastcr's descriptor of a file, struct repairs: sockets
 *                  of the tree that are in TCP's repair mode, and useless to their owner
 * Each is answered by a byte: 1 noted, 0 no room.
 * When fastcr is gone repairs are ended, the cgroups are thawed, the lasting lock is removed if anybody lives in
 * them, their tasks are moved back and the temporary ones removed. The exit code is 0 if all
 * that was done. While fastcr is stopped (SIGSTOP) they are thawed and both locks lifted: when
 * it goes on it finds that out.
 */
#include <linux/prctl.h>

#include "cgroup.h"
#include "guardian.h"
#include "packets.h"
#include "repairs.h"

/* What it was told: "DIR\0ORIGIN\0" one behind the other. */
static char list[1 << 20];
static size_t used;

/* note keeps a message of n bytes, and tells whether there was room. */
static int note(const char *message, size_t n)
{
	if (used + n + 1 > sizeof(list))
		return 0;
	copy(list + used, message, n);
	used += n;
	list[used++] = 0;
	return 1;
}

/* note_other keeps what a letter says, and n - 1 bytes. */
static int note_other(const char *message, size_t n)
{
	switch (*message) {
	case 'L':
		return note_words(message + 1, n - 1);
	case 'M':
		return note_map(message + 1, n - 1);
	case 'N':
		return note_socket(message + 1, n - 1);
	case 'R':
		return note_repairs(message + 1, n - 1);
	}
	return 0;
}

static int anybody(void)
{
	char *at, *origin;

	for (at = list; at < list + used; at = origin + length(origin) + 1) {
		origin = at + length(at) + 1;
		if (populated(at))
			return 1;
	}
	return 0;
}

/*
 * unlock removes the lasting lock of a tree that lives. Who was killed may be about to die,
 * and leaves the lock to its restore.
 */
static void unlock(void)
{
	int i;

	for (i = 0; words_used && anybody(); i++) {
		if (i == DYING)
			return speak();
		pause_a_moment();
	}
}

/* mend_living lets the sockets of who was killed be closed first, in repair mode: silently. */
static void mend_living(void)
{
	int i;

	for (i = 0; repairs && repairs->killed && i < DYING && anybody(); i++)
		pause_a_moment();
	mend();
}

/* rescue thaws soon: that is what the tasks wait for. */
static int rescue(void)
{
	long long until = seconds() + RESCUE_FOR;
	int code = 0, fd;
	char *at, *origin;

	if (lock_socket >= 0)
		sys_close(lock_socket); /* the last one: the lock goes */
	mend_living();
	for (at = list; at < list + used; at = origin + length(origin) + 1) {
		origin = at + length(at) + 1;
		fd = open_in(at, "cgroup.freeze", O_WRONLY);
		if (fd < 0)
			continue; /* not made yet, or removed already */
		code |= sys_write(fd, "0", 1) != 1;
		sys_close(fd);
	}
	unlock();
	for (at = list; at < list + used; at = origin + length(origin) + 1) {
		origin = at + length(at) + 1;
		if (*origin)
			code |= dissolve(at, origin, until);
	}
	return code;
}

/* stopped tells whether fastcr is: its state in /proc/PID/stat, behind the command's name. */
static int stopped(void)
{
	char path[64], text[256];
	int fd;
	long n;

	of_fastcr(path, "stat");
	fd = sys_open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = sys_read(fd, text, sizeof(text));
	sys_close(fd);
	while (n > 0 && text[n - 1] != ')')
		n--;
	return n > 0 && n + 1 < (long)sizeof(text) && text[n + 1] == 'T';
}

/* relieve thaws what a fastcr that is stopped holds frozen. */
static void relieve(void)
{
	char *at, *origin, is;
	int fd, thawed = 0;

	for (at = list; at < list + used && stopped(); at = origin + length(origin) + 1) {
		origin = at + length(at) + 1;
		fd = open_in(at, "cgroup.freeze", O_RDWR);
		if (fd < 0)
			continue;
		/* In this order: what fastcr freezes after it went on stays frozen. */
		if (sys_read(fd, &is, 1) == 1 && is == '1' && stopped()) {
			mend();
			thawed |= sys_write(fd, "0", 1) == 1;
		}
		sys_close(fd);
	}
	if (thawed) {
		lift();
		speak();
	}
}

/* listen takes what fastcr tells until it is gone. */
static int listen(void)
{
	static char message[2 * PATH_MAX];
	struct pollfd fds[] = { { .fd = SOCKET, .events = POLLIN }, { .fd = PIDFD, .events = POLLIN } };
	char answer;
	long n;

	for (;;) {
		struct __kernel_timespec look = { .tv_nsec = LOOK };

		n = sys_poll(fds, 2, &look);
		if (n < 0)
			return 2;
		if (n == 0) {
			relieve();
			continue;
		}
		/* All that was sent is read, even when fastcr is dead already. */
		if (fds[0].revents) {
			n = sys_read(SOCKET, message, sizeof(message));
			if (n == -ECONNRESET)
				continue; /* it died with an answer unread; messages may follow */
			if (n <= 0)
				return rescue();
			answer = n > 1 && !*message ? note_other(message + 1, n - 1) : note(message, n);
			sys_write(SOCKET, &answer, 1);
		} else if (fds[1].revents) {
			return rescue();
		}
	}
}

__attribute__((noreturn)) void start(void)
{
	sys_block_signals();
	/* A pipe of fastcr's parent held open here would keep somebody waiting. */
	sys_close_range(PIDFD + 1, ~0u);
	sys_prctl(PR_SET_NAME, "fastcr-guardian");
	sys_exit(listen());
}
