// SPDX-License-Identifier: Apache-2.0
/*
 * N threads (the first argument), each with a name, nice value, scheduling policy, alternate
 * stack, robust list, mask, pending signals, parent death signal and credentials of its own.
 */
#include "target.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PRIVATE_RT (SIGRTMIN + 5)
#define SHARED_RT (SIGRTMIN + 6)
#define SHARED_RAW (SIGRTMIN + 7)
#define QUEUED 3

struct robust {
	struct robust *next;
	long offset;
	void *pending;
};

struct creds {
	uid_t uid[3], fsuid;
	gid_t gid[3], fsgid;
	gid_t groups[8];
	int ngroups;
	struct __user_cap_data_struct caps[2];
};

struct thread {
	int i;
	pid_t tid;
	pthread_t thread;
	struct robust robust;
	char *altstack;
	uint64_t mask;
	int *clear_tid;
	struct creds creds;
} *threads;

static int n, started, go, left;

static void futex_wait(int *f, int val)
{
	while (__atomic_load_n(f, __ATOMIC_SEQ_CST) == val)
		syscall(SYS_futex, f, FUTEX_WAIT_PRIVATE, val, NULL);
}

static void futex_set(int *f, int val)
{
	__atomic_store_n(f, val, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, f, FUTEX_WAKE_PRIVATE, 1 << 30);
}

static uint64_t bit(int sig)
{
	return 1UL << (sig - 1);
}

static void get_creds(struct creds *c)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };

	memset(c, 0, sizeof(*c));
	syscall(SYS_getresuid, &c->uid[0], &c->uid[1], &c->uid[2]);
	syscall(SYS_getresgid, &c->gid[0], &c->gid[1], &c->gid[2]);
	c->fsuid = syscall(SYS_setfsuid, -1);
	c->fsgid = syscall(SYS_setfsgid, -1);
	c->ngroups = syscall(SYS_getgroups, 8, c->groups);
	syscall(SYS_capget, &h, c->caps);
}

/* become gives a thread credentials of its own: the system calls, for the library changes all threads. */
static void become(int i)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2];
	gid_t groups[3] = { 7, 1000 + i, 2000 + i };

	if (i % 3 == 1) {
		MUST(syscall(SYS_setgroups, 3, groups) == 0);
		MUST(syscall(SYS_setresgid, 100 + i, 200 + i, 300 + i) == 0);
		syscall(SYS_setfsgid, 400 + i);
		syscall(SYS_setfsuid, 500 + i);
	}
	if (i % 3 == 2) {
		MUST(syscall(SYS_capget, &h, caps) == 0);
		caps[0].effective &= ~(1U << CAP_NET_RAW);
		caps[0].permitted &= ~(1U << CAP_NET_RAW);
		caps[0].inheritable |= 1U << CAP_CHOWN;
		MUST(syscall(SYS_capset, &h, caps) == 0);
		MUST(syscall(SYS_setresuid, 0, 600 + i, 0) == 0);
	}
}

static int policy_of(int i)
{
	static const int p[] = { SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO, SCHED_RR };

	return p[i % 5];
}

static int prio_of(int i)
{
	return policy_of(i) == SCHED_FIFO || policy_of(i) == SCHED_RR ? 1 + i % 50 : 0;
}

static int death_signal(int i)
{
	return i % 4 != 3 ? 1 + i % 30 : 0;
}

static void send_private(struct thread *t)
{
	siginfo_t info;

	MUST(syscall(SYS_tgkill, getpid(), t->tid, SIGUSR2) == 0);
	for (int k = 0; k < QUEUED; k++) {
		memset(&info, 0, sizeof(info));
		info.si_code = SI_QUEUE;
		info.si_pid = 100 + k;
		info.si_uid = 200 + k;
		info.si_value.sival_ptr = (void *)(0x123456789000UL + t->i * 16 + k);
		MUST(syscall(SYS_rt_tgsigqueueinfo, getpid(), t->tid, PRIVATE_RT, &info) == 0);
	}
}

static void set_up(struct thread *t)
{
	struct sched_param p = { prio_of(t->i) };
	stack_t ss = { .ss_size = 16384 + 4096 * (t->i % 3), .ss_flags = t->i % 2 ? 1U << 31 : 0 }; /* SS_AUTODISARM */
	char name[16];

	t->tid = gettid();
	t->robust.next = &t->robust;
	t->robust.offset = -(t->i + 1) * 8L;
	MUST(syscall(SYS_set_robust_list, &t->robust, 24) == 0);
	MUST((t->altstack = malloc(ss.ss_size)) != NULL);
	ss.ss_sp = t->altstack;
	MUST(sigaltstack(&ss, NULL) == 0);
	snprintf(name, sizeof(name), "t %d (%%)", t->i);
	prctl(PR_SET_NAME, name);
	MUST(setpriority(PRIO_PROCESS, 0, t->i % 40 - 20) == 0);
	MUST(sched_setscheduler(0, policy_of(t->i), &p) == 0);
	t->mask = bit(SIGUSR1) | bit(SIGUSR2) | bit(PRIVATE_RT) | bit(SHARED_RT) | bit(SHARED_RAW) |
		  (0x9e3779b97f4a7c15UL * (t->i + 1) & ~(bit(SIGKILL) | bit(SIGSTOP)));
	MUST(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &t->mask, NULL, 8) == 0);
	send_private(t);
	MUST(prctl(PR_GET_TID_ADDRESS, &t->clear_tid) == 0);
	become(t->i);
	prctl(PR_SET_PDEATHSIG, death_signal(t->i));
	get_creds(&t->creds);
}

static int next_signal(int sig, siginfo_t *info)
{
	struct timespec none = { 0, 0 };
	uint64_t set = bit(sig);

	memset(info, 0, sizeof(*info));
	return syscall(SYS_rt_sigtimedwait, &set, info, &none, 8);
}

static void check_private(struct thread *t)
{
	siginfo_t info;

	CHECK(next_signal(SIGUSR2, &info) == SIGUSR2 && info.si_code == SI_TKILL && info.si_pid == getpid(),
	      "thread %d: private SIGUSR2: code %d from %d", t->i, info.si_code, info.si_pid);
	for (int k = 0; k < QUEUED; k++) {
		void *want = (void *)(0x123456789000UL + t->i * 16 + k);

		CHECK(next_signal(PRIVATE_RT, &info) == PRIVATE_RT && info.si_code == SI_QUEUE && info.si_pid == 100 + k &&
			      info.si_uid == (uid_t)(200 + k) && info.si_value.sival_ptr == want,
		      "thread %d: queued signal %d: code %d from %d value %p", t->i, k, info.si_code, info.si_pid,
		      info.si_value.sival_ptr);
	}
	CHECK(next_signal(PRIVATE_RT, &info) < 0, "thread %d: one signal too many", t->i);
}

static void check_creds(struct thread *t)
{
	struct creds c;

	get_creds(&c);
	CHECK(!memcmp(c.uid, t->creds.uid, sizeof(c.uid)) && c.fsuid == t->creds.fsuid, "thread %d: uids %d %d %d fs %d", t->i,
	      c.uid[0], c.uid[1], c.uid[2], c.fsuid);
	CHECK(!memcmp(c.gid, t->creds.gid, sizeof(c.gid)) && c.fsgid == t->creds.fsgid, "thread %d: gids %d %d %d fs %d", t->i,
	      c.gid[0], c.gid[1], c.gid[2], c.fsgid);
	CHECK(c.ngroups == t->creds.ngroups && !memcmp(c.groups, t->creds.groups, sizeof(c.groups)),
	      "thread %d: %d groups, were %d", t->i, c.ngroups, t->creds.ngroups);
	CHECK(!memcmp(c.caps, t->creds.caps, sizeof(c.caps)), "thread %d: capabilities differ", t->i);
}

static void check_sched(struct thread *t)
{
	struct sched_param p;
	int nice;

	errno = 0;
	nice = getpriority(PRIO_PROCESS, t->tid);
	CHECK(nice == t->i % 40 - 20 && !errno, "thread %d: nice %d", t->i, nice);
	CHECK(sched_getscheduler(0) == policy_of(t->i), "thread %d: policy %d", t->i, sched_getscheduler(0));
	sched_getparam(0, &p);
	CHECK(p.sched_priority == prio_of(t->i), "thread %d: priority %d", t->i, p.sched_priority);
}

static void check(struct thread *t)
{
	char name[16] = "", want[16];
	struct robust *head = NULL;
	size_t size = 0;
	uint64_t mask = 0;
	int *clear = NULL, sig = -1;
	stack_t ss;

	CHECK(gettid() == t->tid, "thread %d: tid %d, was %d", t->i, gettid(), t->tid);
	snprintf(want, sizeof(want), "t %d (%%)", t->i);
	prctl(PR_GET_NAME, name);
	CHECK(!strcmp(name, want), "thread %d: name %s", t->i, name);
	check_sched(t);
	sigaltstack(NULL, &ss);
	CHECK(ss.ss_sp == t->altstack && ss.ss_size == (size_t)16384 + 4096 * (t->i % 3) &&
		      ss.ss_flags == (t->i % 2 ? (int)(1U << 31) : 0),
	      "thread %d: alternate stack %p size %zu flags %x", t->i, ss.ss_sp, ss.ss_size, ss.ss_flags);
	syscall(SYS_get_robust_list, 0, &head, &size);
	CHECK(head == &t->robust && size == 24, "thread %d: robust list %p, was %p", t->i, head, &t->robust);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8);
	CHECK(mask == t->mask, "thread %d: mask %lx, was %lx", t->i, mask, t->mask);
	prctl(PR_GET_TID_ADDRESS, &clear);
	CHECK(clear == t->clear_tid, "thread %d: clear_child_tid %p, was %p", t->i, clear, t->clear_tid);
	prctl(PR_GET_PDEATHSIG, &sig);
	CHECK(sig == death_signal(t->i), "thread %d: parent death signal %d", t->i, sig);
	check_private(t);
	check_creds(t);
}

static void *body(void *arg)
{
	struct thread *t = arg;

	set_up(t);
	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	futex_wait(&go, 0);
	check(t);
	__atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void fill_raw(siginfo_t *info)
{
	memset(info, 0, sizeof(*info));
	for (unsigned b = 16; b < 48; b++) /* what the image must keep of it */
		((char *)info)[b] = b;
	info->si_signo = SHARED_RAW;
	info->si_errno = 5;
	info->si_code = -60;
}

static void send_shared(void)
{
	siginfo_t info;

	kill(getpid(), SIGUSR1);
	for (int k = 0; k < 5; k++)
		MUST(sigqueue(getpid(), SHARED_RT, (union sigval){ .sival_int = 1000 + k }) == 0);
	fill_raw(&info);
	MUST(syscall(SYS_rt_sigqueueinfo, getpid(), SHARED_RAW, &info) == 0);
}

static void check_shared(void)
{
	siginfo_t info, want;

	CHECK(next_signal(SIGUSR1, &info) == SIGUSR1 && info.si_code == SI_USER && info.si_pid == getpid(),
	      "shared SIGUSR1: code %d from %d", info.si_code, info.si_pid);
	for (int k = 0; k < 5; k++)
		CHECK(next_signal(SHARED_RT, &info) == SHARED_RT && info.si_code == SI_QUEUE &&
			      info.si_value.sival_int == 1000 + k && info.si_pid == getpid(),
		      "shared signal %d: code %d value %d", k, info.si_code, info.si_value.sival_int);
	fill_raw(&want);
	CHECK(next_signal(SHARED_RAW, &info) == SHARED_RAW && !memcmp(&info, &want, 48), "shared signal of a strange kind");
}

static int run(void)
{
	pthread_attr_t attr;

	MUST((threads = calloc(n, sizeof(*threads))) != NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (int i = 1; i < n; i++) {
		threads[i].i = i;
		MUST(pthread_create(&threads[i].thread, &attr, body, &threads[i]) == 0);
	}
	while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) < n - 1)
		pause_ms(1);
	set_up(&threads[0]);
	send_shared();
	left = n - 1;
	ready();
	await_check();
	futex_set(&go, 1);
	check(&threads[0]);
	check_shared();
	for (int i = 1; i < n; i++) /* hangs if the kernel does not clear the tid */
		pthread_join(threads[i].thread, NULL);
	CHECK(left == 0, "%d threads did not check themselves", left);
	return verdict();
}

/*
 * The threads are those of a child: their parent death signals need a parent that lives,
 * and the one of a restored root is criu.
 */
int main(int argc, char **argv)
{
	int status = -1;
	pid_t child;

	n = argc > 1 ? atoi(argv[1]) : 1;
	MUST((child = fork()) >= 0);
	if (child == 0)
		_exit(run());
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status)) {
		fail("the child ended with wait status %#x", status);
		return verdict();
	}
	return WEXITSTATUS(status);
}
