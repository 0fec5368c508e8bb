/* A process that has changed what it can of itself, and says what system calls say of it. */
#define _GNU_SOURCE
#include <linux/membarrier.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct action {
	unsigned long handler, flags, restorer, mask;
};

static void must(long r, const char *what)
{
	if (r < 0) {
		perror(what);
		exit(1);
	}
}

static void set_action(int signo, struct action a)
{
	must(syscall(SYS_rt_sigaction, signo, &a, 0, 8), "rt_sigaction");
}

static void handler(int signo)
{
}

int main(int argc, char **argv)
{
	struct rlimit core = { 4096, 1L << 40 }, files = { 1000, 2000 };
	struct action a;
	FILE *f;

	set_action(SIGUSR1, (struct action){ 1, SA_RESTART, 0, 0x5555 });
	set_action(40, (struct action){ 1, SA_NODEFER, 0, 1UL << 63 });
	signal(SIGTERM, handler);
	must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), "PR_SET_THP_DISABLE");
	must(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
	must(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0), "membarrier");
	must(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0), "membarrier");
	umask(0135);
	personality(ADDR_NO_RANDOMIZE);
	must(setrlimit(RLIMIT_CORE, &core), "RLIMIT_CORE");
	must(setrlimit(RLIMIT_NOFILE, &files), "RLIMIT_NOFILE");
	f = fopen("/proc/self/oom_score_adj", "w");
	if (!f || fprintf(f, "321") < 0 || fclose(f))
		must(-1, "oom_score_adj");
	for (int i = 1; i <= 64; i++) {
		must(syscall(SYS_rt_sigaction, i, 0, &a, 8), "rt_sigaction");
		printf("action %d %lx %lx %lx %lx\n", i, a.handler, a.flags, a.restorer, a.mask);
	}
	printf("membarrier %ld\n", syscall(SYS_membarrier, 512 /* MEMBARRIER_CMD_GET_REGISTRATIONS */, 0));
	must(mkdir("gone", 0711), "mkdir");
	must(mkdir("root", 0711), "mkdir");
	must(chdir("gone"), "chdir");
	must(rmdir("../gone"), "rmdir");
	must(chroot("../root"), "chroot");
	must(prctl(PR_SET_DUMPABLE, 0), "PR_SET_DUMPABLE");
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
