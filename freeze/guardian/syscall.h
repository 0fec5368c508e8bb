/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of the guardian, without a libc. They return -errno. */
#pragma once

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/types.h>

typedef unsigned long size_t;

#if defined(__x86_64__)

static inline long call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return ret;
}

/* The stack is aligned as a function expects it. */
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tand $-16, %rsp\n\tcall start\n");

#else
#error "the guardian has no system calls for this architecture yet"
#endif

static inline long call(long nr, long a, long b, long c, long d) { return call6(nr, a, b, c, d, 0, 0); }

/* struct linux_dirent64 */
struct dirent {
	__u64 ino;
	__s64 off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};
#define DT_DIR 4

struct pollfd {
	int fd;
	short events, revents;
};
#define POLLIN 1

#define CLOCK_MONOTONIC 1

#define AF_NETLINK 16
#define SOCK_RAW 3
#define NETLINK_NETFILTER 12

#define SOL_SOCKET 1
#define SO_REUSEADDR 2
#define SOL_TCP 6
#define TCP_REPAIR 19
#define TCP_REPAIR_QUEUE 20

#define PROT_READ 1
#define MAP_SHARED 1

static inline void copy(char *to, const char *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
}

static inline long sys_open(const char *path, int flags)
{
	return call(__NR_openat, AT_FDCWD, (long)path, flags, 0);
}

static inline long sys_close(int fd) { return call(__NR_close, fd, 0, 0, 0); }
static inline long sys_close_range(unsigned from, unsigned to) { return call(__NR_close_range, from, to, 0, 0); }
static inline long sys_read(int fd, void *to, size_t n) { return call(__NR_read, fd, (long)to, n, 0); }
static inline long sys_write(int fd, const void *from, size_t n) { return call(__NR_write, fd, (long)from, n, 0); }
static inline long sys_getdents(int fd, void *to, size_t n) { return call(__NR_getdents64, fd, (long)to, n, 0); }
static inline long sys_socket(int family, int type, int protocol) { return call(__NR_socket, family, type, protocol, 0); }
static inline long sys_pidfd_open(int pid) { return call(__NR_pidfd_open, pid, 0, 0, 0); }
static inline long sys_pidfd_getfd(int pidfd, int fd) { return call(__NR_pidfd_getfd, pidfd, fd, 0, 0); }
static inline long sys_bpf(int cmd, void *attr, size_t n) { return call(__NR_bpf, cmd, (long)attr, n, 0); }
static inline long sys_prctl(int what, const char *s) { return call(__NR_prctl, what, (long)s, 0, 0); }
static inline long sys_clock_gettime(int clock, struct __kernel_timespec *t) { return call(__NR_clock_gettime, clock, (long)t, 0, 0); }
static inline long sys_nanosleep(struct __kernel_timespec *t) { return call(__NR_nanosleep, (long)t, 0, 0, 0); }

static inline long sys_setsockopt(int fd, int level, int name, int value)
{
	return call6(__NR_setsockopt, fd, level, name, (long)&value, sizeof(value), 0);
}

/* Shared memory of a file, from its start on; a number below 0 and above -4096 is an error. */
static inline long sys_mmap(int fd, size_t n)
{
	return call6(__NR_mmap, 0, n, PROT_READ, MAP_SHARED, fd, 0);
}

static inline long sys_rmdir(const char *path)
{
	return call(__NR_unlinkat, AT_FDCWD, (long)path, AT_REMOVEDIR, 0);
}

static inline int sys_getppid(void) { return call(__NR_getppid, 0, 0, 0, 0); }

/* Not interrupted by signals: they are blocked. The time that was left comes back. */
static inline long sys_poll(struct pollfd *fds, int n, struct __kernel_timespec *timeout)
{
	return call(__NR_ppoll, (long)fds, n, (long)timeout, 0);
}

static inline void sys_block_signals(void)
{
	__u64 all = ~0ull;

	call(__NR_rt_sigprocmask, 0 /* SIG_BLOCK */, (long)&all, 0, sizeof(all));
}

__attribute__((noreturn)) static inline void sys_exit(int code)
{
	for (;;)
		call(__NR_exit_group, code, 0, 0, 0);
}
