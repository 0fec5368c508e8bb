/* Counts 0, 1, 2 … on its terminal, once every half second. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	for (unsigned n = 0;; n++) {
		printf("%u (pid %d)\n", n, (int)getpid());
		fflush(stdout);
		usleep(500000);
	}
}
