// A process tree of a chosen shape. It prints "ready" when it has it.
//   target threads N      N threads, all asleep
//   target busy N         N threads that never sleep
//   target tree N         N children asleep
//   target zombie         a zombie child whose parent does not wait for it
//   target vfork          a vfork parent, in uninterruptible sleep, and its child
//   target stuck          a task in an uninterruptible sleep that does not end
//   target headless       the main thread has exited, another runs
//   target forker         children are forked and end without pause
//   target onfork         a SIGUSR1 makes it fork a child asleep; its pid is printed
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void *asleep(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *busy(void *arg)
{
	for (volatile unsigned long n = 0;; n++)
		;
	return arg;
}

static void threads(int n, void *(*run)(void *))
{
	pthread_attr_t small;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 32768);
	for (int i = 1; i < n; i++) {
		pthread_t t;
		if (pthread_create(&t, &small, run, 0))
			exit(3);
	}
	ready();
	run(0);
}

static int child(void (*run)(void))
{
	int pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run();
		_exit(0);
	}
	return pid;
}

static void sleeper(void) { asleep(0); }
static void nothing(void) { }

static void vforker(void)
{
	if (vfork() == 0) { // from here on the parent cannot say anything
		if (write(1, "ready\n", 6) != 6)
			_exit(3);
		sleeper();
	}
}

static void zombie(void)
{
	siginfo_t info;
	int pid = child(nothing);
	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
	ready();
	asleep(0);
}

// The kernel itself wants a page that a userfaultfd never fills.
static void stuck(void)
{
	int fd = syscall(SYS_userfaultfd, 0);
	struct uffdio_api api = { .api = UFFD_API };
	char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = { .range = { (unsigned long)page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		exit(3);
	ready();
	exit(mlock(page, 4096) ? 4 : 0);
}

static void forker(void)
{
	ready();
	for (;;) {
		int pid = fork();
		if (pid == 0)
			_exit(0);
		waitpid(pid, 0, 0);
	}
}

static void onfork(void)
{
	sigset_t set;
	int sig;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, 0);
	ready();
	for (;;) {
		sigwait(&set, &sig);
		printf("%d\n", child(sleeper));
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 1;

	if (!strcmp(what, "threads"))
		threads(n, asleep);
	else if (!strcmp(what, "busy"))
		threads(n, busy);
	else if (!strcmp(what, "tree")) {
		while (n-- > 0)
			child(sleeper);
		ready();
		asleep(0);
	} else if (!strcmp(what, "zombie"))
		zombie();
	else if (!strcmp(what, "vfork")) {
		child(vforker);
		asleep(0);
	} else if (!strcmp(what, "stuck"))
		stuck();
	else if (!strcmp(what, "headless")) {
		pthread_t t;
		pthread_create(&t, 0, asleep, 0);
		ready();
		pthread_exit(0);
	} else if (!strcmp(what, "forker"))
		forker();
	else if (!strcmp(what, "onfork"))
		onfork();
	return 2;
}
