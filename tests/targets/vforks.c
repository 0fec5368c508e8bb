// SPDX-License-Identifier: Apache-2.0
/* Starts programs by vfork all the time; with an argument, one that takes seconds before exec. */
#include "target.h"
#include <sys/wait.h>

int main(int argc, char **argv)
{
	volatile int linger = argc > 1 ? atoi(argv[1]) : 0;
	int status;

	ready();
	for (;;) {
		pid_t pid = vfork();

		MUST(pid >= 0);
		if (pid == 0) {
			usleep(linger ? linger * 1000000 : 3000);
			execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
		MUST(waitpid(pid, &status, 0) == pid && status == 0);
		usleep(2000);
	}
}
