// SPDX-License-Identifier: Apache-2.0
/*
 * Seccomp. The argument names the kind:
 *	strict	read, write, exit and sigreturn, by the kernel's own rule
 *	kill	a filter that kills on anything but read, write, nanosleep and exit
 *	sleeps	a filter that kills on restart_syscall, and threads that wait with timeouts
 *	threads	threads with none, one, two and three filters; two have one in common
 */
#include "target.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(val, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, val, yes, no)
#define RETURN(val) BPF_STMT(BPF_RET | BPF_K, val)

static void install(struct sock_filter *f, unsigned short n)
{
	struct sock_fprog prog = { n, f };

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0);
}

/* ready_in_mode leaves it to a grandchild, which we do not keep, to say that we are under seccomp. */
static void ready_in_mode(int mode)
{
	char path[64], line[128];
	pid_t child = fork();
	int is = 0, status;
	FILE *f;

	MUST(child >= 0);
	if (child) {
		MUST(waitpid(child, &status, 0) == child);
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/status", getppid());
	if (fork())
		_exit(0);
	while (is != mode && (f = fopen(path, "r"))) {
		while (fgets(line, sizeof(line), f))
			sscanf(line, "Seccomp: %d", &is);
		fclose(f);
	}
	ready();
	_exit(0);
}

static int strict(void)
{
	ready_in_mode(1);
	hold_files();
	target_no_sleep = 1;
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	await_check();
	syscall(SYS_exit, verdict());
	return 1;
}

static int killing(void)
{
	struct sock_filter f[] = {
		LOAD(arch), IS(AUDIT_ARCH_X86_64, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS),
		/* Not restart_syscall, by which the kernel itself goes on with a sleep after a signal or a freeze. */
		LOAD(nr), IS(SYS_read, 5, 0), IS(SYS_write, 4, 0), IS(SYS_nanosleep, 3, 0), IS(SYS_clock_nanosleep, 2, 0),
		IS(SYS_exit_group, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW),
	};

	ready_in_mode(2);
	hold_files();
	install(f, sizeof(f) / sizeof(f[0]));
	await_check();
	_exit(verdict());
}

/* deny makes one system call fail with an errno. */
static void deny(int nr, int err)
{
	struct sock_filter f[] = {
		LOAD(nr), IS((unsigned)nr, 0, 1), RETURN(SECCOMP_RET_ERRNO | err), RETURN(SECCOMP_RET_ALLOW),
	};

	install(f, sizeof(f) / sizeof(f[0]));
}

static struct worker {
	int getppid_errno, getuid_errno, getgid_errno; /* 0: allowed */
	pthread_t thread;
} workers[] = { { 0, 0, 0 }, { ENOENT, 0, 0 }, { ENOENT, EBADF, 0 }, { EXDEV, EBADF, ELOOP }, { 0, EDOM, 0 } };
#define N (int)(sizeof(workers) / sizeof(workers[0]))

static volatile int up, go;
static pthread_t heir;

static void check_worker(struct worker *w, const char *what)
{
	const struct {
		const char *name;
		int nr, err;
	} calls[] = { { "getppid", SYS_getppid, w->getppid_errno }, { "getuid", SYS_getuid, w->getuid_errno }, { "getgid", SYS_getgid, w->getgid_errno } };

	for (int i = 0; i < 3; i++) {
		int ret = syscall(calls[i].nr), err = ret < 0 ? errno : 0;

		CHECK(err == calls[i].err, "%s %d: %s gives errno %d, should %d", what, (int)(w - workers), calls[i].name, err, calls[i].err);
	}
	CHECK(prctl(PR_GET_SECCOMP) == (w->getppid_errno || w->getuid_errno ? 2 : 0), "%s %d: mode %d", what, (int)(w - workers),
	      prctl(PR_GET_SECCOMP));
}

/* inherits has its creator's filters: the same objects. */
static void *inherits(void *arg)
{
	__atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
	while (!go)
		pause_ms(10);
	check_worker(arg, "heir of thread");
	return NULL;
}

static void *body(void *arg)
{
	struct worker *w = arg;

	if (w->getppid_errno)
		deny(SYS_getppid, w->getppid_errno);
	if (w->getuid_errno)
		deny(SYS_getuid, w->getuid_errno);
	if (w->getgid_errno)
		deny(SYS_getgid, w->getgid_errno);
	if (w == &workers[2])
		MUST(pthread_create(&heir, NULL, inherits, w) == 0);
	__atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
	while (!go)
		pause_ms(10);
	check_worker(w, "thread");
	return NULL;
}

static int threads(void)
{
	for (int i = 0; i < N; i++)
		MUST(pthread_create(&workers[i].thread, NULL, body, &workers[i]) == 0);
	while (up < N + 1)
		pause_ms(1);
	ready();
	await_check();
	go = 1;
	for (int i = 0; i < N; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_join(heir, NULL);
	CHECK(prctl(PR_GET_SECCOMP) == 0, "the main thread has a filter");
	return verdict();
}

/* sleep_one waits once, by call, for 20 ms, and returns its errno. */
static int sleep_one(int call)
{
	struct timespec ts = { 0, 20000000 };
	static int word;
	long ret;

	switch (call) {
	case 0:
		ret = syscall(SYS_nanosleep, &ts, &ts);
		break;
	case 1:
		ret = syscall(SYS_clock_nanosleep, CLOCK_BOOTTIME, 0, &ts, NULL);
		break;
	case 2:
		ret = syscall(SYS_poll, NULL, 0, 20);
		break;
	default:
		clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_sec++;
		ret = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &ts, NULL, FUTEX_BITSET_MATCH_ANY);
	}
	return ret < 0 ? errno : 0;
}

static void *sleeps_on(void *arg)
{
	int call = (int)(intptr_t)arg;

	__atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
	for (int err; !go;)
		if ((err = sleep_one(call)))
			CHECK(call == 3 && err == ETIMEDOUT, "call %d returns errno %d", call, err);
	return NULL;
}

static int sleeps(void)
{
	struct sock_filter f[] = {
		LOAD(nr), IS(SYS_restart_syscall, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW),
	};
	pthread_t thread[4];

	install(f, sizeof(f) / sizeof(f[0]));
	for (int i = 0; i < 4; i++)
		MUST(pthread_create(&thread[i], NULL, sleeps_on, (void *)(intptr_t)i) == 0);
	while (up < 4)
		pause_ms(1);
	ready();
	await_check();
	go = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	return verdict();
}

static void *sit(void *arg)
{
	up++;
	while (!go)
		pause_ms(1);
	return (void *)(long)prctl(PR_GET_SECCOMP);
}

/* tsync: filters that all threads have are the same ones: another one can be given to all. */
static int tsync(void)
{
	struct sock_filter allow[] = { RETURN(SECCOMP_RET_ALLOW) }, deny[] = { LOAD(nr), IS(SYS_getppid, 0, 1), RETURN(SECCOMP_RET_ERRNO | EXDEV), RETURN(SECCOMP_RET_ALLOW) };
	struct sock_fprog more = { 4, deny };
	pthread_t t[3];
	void *mode;

	install(allow, 1);
	install(allow, 1);
	for (int i = 0; i < 3; i++)
		MUST(pthread_create(&t[i], NULL, sit, NULL) == 0);
	while (up < 3)
		pause_ms(1);
	ready();
	await_check();
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &more) == 0, "the threads' filters are others");
	CHECK(syscall(SYS_getppid) == -1 && errno == EXDEV, "the filter does nothing");
	go = 1;
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(t[i], &mode) == 0 && mode == (void *)2, "thread %d has mode %ld", i, (long)mode);
	return verdict();
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "tsync"))
		return tsync();
	if (argc > 1 && !strcmp(argv[1], "sleeps"))
		return sleeps();
	if (argc > 1 && !strcmp(argv[1], "strict"))
		return strict();
	if (argc > 1 && !strcmp(argv[1], "kill"))
		return killing();
	return threads();
}
