/* Two zombies, a stopped child, one in a session of its own, and one without its first thread. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void *wait_for_ever(void *arg)
{
	close((long)arg);
	for (;;)
		pause();
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	return pid;
}

/* The state letter of /proc/PID/stat. */
static char state(pid_t pid)
{
	char path[64], c = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%*d (%*[^)]) %c", &c) != 1) {
		perror(path);
		exit(1);
	}
	fclose(f);
	return c;
}

int main(void)
{
	pid_t exited, killed, stopped, session, leaderless;
	siginfo_t info;
	pthread_t t;
	int p[2];
	char c;

	exited = child();
	if (!exited) {
		setsid();
		_exit(7);
	}
	killed = child();
	if (!killed)
		for (;;)
			pause();
	kill(killed, SIGTERM);
	stopped = child();
	if (!stopped)
		for (;;)
			pause();
	/* In a group of its own: in ours, which may be an orphaned one, nobody is stopped by it. */
	if (setpgid(stopped, stopped))
		return 1;
	kill(stopped, SIGTSTP);
	session = child();
	if (!session) {
		setsid();
		for (;;)
			pause();
	}
	if (pipe(p))
		return 1;
	leaderless = child();
	if (!leaderless) {
		close(p[0]);
		if (pthread_create(&t, 0, wait_for_ever, (void *)(long)p[1]))
			_exit(1);
		syscall(SYS_exit, 0);
	}
	close(p[1]);
	if (read(p[0], &c, 1))
		return 1;
	while (state(leaderless) != 'Z')
		usleep(1000);
	waitid(P_PID, exited, &info, WEXITED | WNOWAIT);
	waitid(P_PID, killed, &info, WEXITED | WNOWAIT);
	waitid(P_PID, stopped, &info, WSTOPPED | WNOWAIT);
	while (getsid(session) != session)
		usleep(1000);
	printf("children %d %d %d %d %d\n", exited, killed, stopped, session, leaderless);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
