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
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/prctl.h>
#include <linux/time_types.h>

#include "syscall.h"

enum { SOCKET = 3, PIDFD = 4 };

#define RESCUE_FOR 60		/* seconds that it tries to put things back */
#define PAUSE 1000000		/* nanoseconds between two tries */
#define LOOK 100000000		/* nanoseconds between two looks whether fastcr is stopped */
#define DYING 50		/* pauses that killed tasks get to be gone */

/* What it was told: "DIR\0ORIGIN\0" one behind the other. */
static char list[1 << 20];
static size_t used;

/* The lock of network packets that outlives fastcr, and the one that does not. */
static char words[512];
static size_t words_used;
static int lock_map = -1, lock_socket = -1;
static char lock_off[512];
static size_t lock_off_used;

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

/* note_repairs maps the file that fastcr has open as fd. */
static int note_repairs(__u32 fd)
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

/* note_other keeps what a letter says, and n - 1 bytes. */
static int note_other(const char *message, size_t n)
{
	union bpf_attr attr = { .map_id = 0 };
	__u32 fd;

	switch (*message++) {
	case 'L':
		if (n - 1 > sizeof(words))
			return 0;
		copy(words, message, n - 1);
		words_used = n - 1;
		return 1;
	case 'M':
		if (n - 1 != sizeof(attr.map_id) || lock_map >= 0)
			return 0;
		copy((char *)&attr.map_id, message, sizeof(attr.map_id));
		lock_map = sys_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof(attr));
		return lock_map >= 0;
	case 'N':
		if (n - 1 < sizeof(fd) || n - 1 > sizeof(fd) + sizeof(lock_off) || lock_socket >= 0)
			return 0;
		copy((char *)&fd, message, sizeof(fd));
		lock_off_used = n - 1 - sizeof(fd);
		copy(lock_off, message + sizeof(fd), lock_off_used);
		lock_socket = sys_pidfd_getfd(PIDFD, fd);
		return lock_socket >= 0;
	case 'R':
		if (n - 1 != sizeof(fd) || repairs)
			return 0;
		copy((char *)&fd, message, sizeof(fd));
		return note_repairs(fd);
	}
	return 0;
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
	struct __kernel_timespec pause = { .tv_nsec = PAUSE };
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
			sys_nanosleep(&pause);
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
	struct __kernel_timespec pause = { .tv_nsec = PAUSE };
	int i;

	for (i = 0; words_used && anybody(); i++) {
		if (i == DYING)
			return speak();
		sys_nanosleep(&pause);
	}
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

/* mend_living lets the sockets of who was killed be closed first, in repair mode: silently. */
static void mend_living(void)
{
	struct __kernel_timespec pause = { .tv_nsec = PAUSE };
	int i;

	for (i = 0; repairs && repairs->killed && i < DYING && anybody(); i++)
		sys_nanosleep(&pause);
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
