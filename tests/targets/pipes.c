/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes and FIFOs with bytes in them. The first argument names the part. */
#include "target.h"
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* drain reads what is there, and says how much. */
static size_t drain(int fd, char *buf, size_t size)
{
	size_t have = 0;
	ssize_t n;

	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "F_SETFL: %s", strerror(errno));
	while (have < size && (n = read(fd, buf + have, size - have)) > 0)
		have += n;
	return have;
}

static char big[1 << 21], text[1 << 21];

static void holds(int fd, const char *want, size_t len, const char *what)
{
	int waits = -1;
	size_t n;

	CHECK(ioctl(fd, FIONREAD, &waits) == 0 && waits == (int)len, "%s: %d bytes wait, of %zu", what, waits, len);
	n = drain(fd, text, sizeof(text));
	CHECK(n == len && !memcmp(text, want, len), "%s: other bytes", what);
}

static size_t fill(int fd)
{
	size_t n = 0;
	ssize_t m;

	MUST(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	while ((m = write(fd, big + n, 4096)) > 0)
		n += m;
	MUST(n && errno == EAGAIN && fcntl(fd, F_SETFL, 0) == 0);
	return n;
}

static void pattern(void)
{
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i * 2654435761u >> 13;
}

static void pipes(void)
{
	int some[2], full[2], wide[2], half[2], none[2], drained[2], waits = 0;
	size_t all, most;
	char c;

	MUST(!pipe(some) && !pipe2(full, O_CLOEXEC) && !pipe(wide) && !pipe2(half, O_NONBLOCK) && !pipe(none) && !pipe(drained));
	MUST(fcntl(wide[1], F_SETPIPE_SZ, 1 << 20) == 1 << 20 && fcntl(none[0], F_SETPIPE_SZ, 4096) == 4096);
	MUST(write(some[1], "abc", 3) == 3 && write(some[1], "def", 3) == 3 && read(some[0], &c, 1) == 1);
	all = fill(full[1]);
	most = fill(wide[1]);
	for (int i = 0; i < 16; i++) /* a byte a buffer: full with 16 bytes, as the first is read */
		MUST(write(half[1], big + i * 4095, 4095) == 4095);
	fill(drained[1]);
	MUST(read(drained[0], text, 10000) == 10000);
	ready();
	await_check();
	CHECK(fcntl(full[0], F_GETFD) == FD_CLOEXEC && fcntl(some[0], F_GETFD) == 0, "close-on-exec");
	CHECK(fcntl(half[0], F_GETFL) == O_NONBLOCK && fcntl(half[1], F_GETFL) == (O_WRONLY | O_NONBLOCK), "O_NONBLOCK");
	CHECK(fcntl(wide[0], F_GETPIPE_SZ) == 1 << 20 && fcntl(none[1], F_GETPIPE_SZ) == 4096, "sizes %d %d", fcntl(wide[0], F_GETPIPE_SZ), fcntl(none[1], F_GETPIPE_SZ));
	CHECK(ioctl(none[0], FIONREAD, &waits) == 0 && waits == 0, "%d bytes in the empty pipe", waits);
	holds(some[0], "bcdef", 5, "a few bytes");
	holds(full[0], big, all, "a full pipe");
	holds(wide[0], big, most, "a full pipe of 1 MiB");
	holds(half[0], big, 16 * 4095, "nearly full buffers");
	holds(drained[0], big + 10000, all - 10000, "a pipe that was full");
	CHECK(write(some[1], "more", 4) == 4, "write: %s", strerror(errno));
	holds(some[0], "more", 4, "a few bytes more");
	close(none[1]);
	CHECK(read(none[0], &c, 1) == 0, "no end of file");
	close(some[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK(write(some[1], "x", 1) < 0 && errno == EPIPE, "no EPIPE");
}

/* One end was closed, and bytes are left. */
static void ends(void)
{
	int left[2], lost[2];
	char buf[8];

	MUST(!pipe(left) && !pipe(lost) && write(left[1], "left", 4) == 4 && write(lost[1], "lost", 4) == 4);
	close(left[1]);
	close(lost[0]);
	ready();
	await_check();
	CHECK(read(left[0], buf, sizeof(buf)) == 4 && !memcmp(buf, "left", 4), "what was left");
	CHECK(read(left[0], buf, sizeof(buf)) == 0, "no end of file");
	signal(SIGPIPE, SIG_IGN);
	CHECK(write(lost[1], "x", 1) < 0 && errno == EPIPE, "no EPIPE");
}

/* A pipe between processes: both hold both ends of one, and one of another. */
static void family(void)
{
	int both[2], down[2], status;
	char buf[16];
	pid_t child;

	MUST(!pipe(both) && !pipe(down) && write(both[1], "both", 4) == 4 && write(down[1], "down", 4) == 4);
	child = fork();
	MUST(child >= 0);
	if (!child) {
		close(down[1]);
		await_check();
		CHECK(read(down[0], buf, sizeof(buf)) == 4 && !memcmp(buf, "down", 4), "the child's pipe");
		CHECK(write(both[1], "child", 5) == 5, "write: %s", strerror(errno));
		CHECK(read(down[0], buf, sizeof(buf)) == 0, "no end of file for the child");
		_exit(target_failed);
	}
	close(down[0]);
	ready();
	await_check();
	CHECK(read(both[0], buf, 4) == 4 && !memcmp(buf, "both", 4), "the common pipe");
	CHECK(read(both[0], buf, 5) == 5 && !memcmp(buf, "child", 5), "the child's word");
	close(down[1]);
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child's status %#x", status);
}

/* A pipe whose reader is outside of the tree: criu gives it back without that. */
static void outside(int fd)
{
	ready();
	await_check();
	signal(SIGPIPE, SIG_IGN);
	if (checked_live())
		CHECK(write(fd, "x", 1) == 1, "write: %s", strerror(errno));
	else
		CHECK(write(fd, "x", 1) < 0 && errno == EPIPE, "a pipe to nobody");
}

static void fifos(void)
{
	int both, r, w, other, gone, gone_w, empty, mode;
	struct stat st;
	size_t all;

	MUST(!mkfifo("both", 0600) && !mkfifo("pair", 0640) && !mkfifo("gone", 0601) && !mkfifo("empty", 0600));
	MUST((both = open("both", O_RDWR)) >= 0 && (r = open("pair", O_RDONLY | O_NONBLOCK)) >= 0 && (w = open("pair", O_WRONLY | O_CLOEXEC)) >= 0);
	MUST((other = open("pair", O_RDONLY | O_NONBLOCK)) >= 0);
	MUST((gone = open("gone", O_RDONLY | O_NONBLOCK)) >= 0 && (gone_w = open("gone", O_WRONLY)) >= 0);
	MUST((empty = open("empty", O_RDONLY | O_NONBLOCK)) >= 0);
	MUST(write(both, "in it", 5) == 5 && write(gone_w, "without a name", 14) == 14);
	all = fill(w);
	MUST(unlink("gone") == 0);
	ready();
	await_check();
	mode = fcntl(both, F_GETFL);
	CHECK((mode & O_ACCMODE) == O_RDWR && (fcntl(r, F_GETFL) & O_NONBLOCK) && fcntl(w, F_GETFD) == FD_CLOEXEC, "flags");
	holds(both, "in it", 5, "FIFO");
	holds(other, big, all, "full FIFO");
	CHECK(write(w, "again", 5) == 5, "write: %s", strerror(errno));
	holds(r, "again", 5, "FIFO that was full");
	CHECK(fstat(gone, &st) == 0 && S_ISFIFO(st.st_mode) && (st.st_mode & 0777) == 0601, "mode %o", st.st_mode);
	CHECK(access("gone", F_OK) < 0, "it has a name");
	holds(gone, "without a name", 14, "FIFO without a name");
	CHECK(write(gone_w, "more", 4) == 4, "write: %s", strerror(errno));
	holds(gone, "more", 4, "FIFO without a name");
	CHECK(read(empty, text, 1) == 0, "no end of file");
	close(other);
	close(r);
	signal(SIGPIPE, SIG_IGN);
	CHECK(write(w, "x", 1) < 0 && errno == EPIPE, "no EPIPE");
}

int main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";

	pattern();
	if (!strcmp(part, "pipes"))
		pipes();
	else if (!strcmp(part, "ends"))
		ends();
	else if (!strcmp(part, "family"))
		family();
	else if (!strcmp(part, "outside"))
		outside(atoi(argv[2]));
	else if (!strcmp(part, "fifos"))
		fifos();
	else
		MUST(!"a part's name");
	return verdict();
}
