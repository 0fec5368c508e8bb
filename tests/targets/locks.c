/* SPDX-License-Identifier: Apache-2.0 */
/* File locks of every kind, asked for by a child that has none. */
#include "target.h"
#include <sys/file.h>
#include <sys/wait.h>

static int file(const char *name, int flags)
{
	int fd = open(name, flags | O_CREAT, 0600);

	MUST(fd >= 0);
	return fd;
}

static int range(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &l);
}

/* held finds what is in the way of a lock on [start, start+len): its kind, start and length. */
static void held(int fd, int cmd, off_t start, off_t len, int type, off_t at, off_t n, const char *what)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	CHECK(fcntl(fd, cmd, &l) == 0, "%s: %s", what, strerror(errno));
	CHECK(l.l_type == type, "%s: type %d, not %d", what, l.l_type, type);
	if (type != F_UNLCK)
		CHECK(l.l_start == at && l.l_len == n, "%s: %lld+%lld, not %lld+%lld", what, (long long)l.l_start, (long long)l.l_len, (long long)at, (long long)n);
}

static void locks(void)
{
	int ex = file("ex", O_RDWR), sh = file("sh", O_RDONLY), posix = file("posix", O_RDWR), ofd = file("ofd", O_RDWR), inherited = file("inherited", O_RDWR);
	int ofd2 = file("ofd", O_RDWR), twin, status, go[2];
	pid_t child;
	char c;

	MUST(!pipe(go) && !flock(ex, LOCK_EX) && !flock(sh, LOCK_SH) && !flock(inherited, LOCK_EX));
	MUST((twin = dup(ex)) >= 0);
	MUST(!range(posix, F_SETLK, F_WRLCK, 10, 20) && !range(posix, F_SETLK, F_RDLCK, 100, 0) && !range(posix, F_SETLK, F_RDLCK, 50, 1));
	MUST(!range(posix, F_SETLK, F_UNLCK, 15, 2));
	MUST(!range(ofd, F_OFD_SETLK, F_WRLCK, 5LL << 32, 10) && !range(ofd, F_OFD_SETLK, F_RDLCK, 0, 4) && !range(ofd2, F_OFD_SETLK, F_RDLCK, 2, 4));
	child = fork();
	MUST(child >= 0);
	if (!child) {
		int e, s, p, o;

		MUST(read(go[0], &c, 1) == 1);
		e = file("ex", O_RDWR), s = file("sh", O_RDWR), p = file("posix", O_RDWR), o = file("ofd", O_RDWR);
		CHECK(flock(e, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK, "the exclusive lock is gone");
		CHECK(flock(s, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK, "the shared lock is gone");
		CHECK(flock(s, LOCK_SH | LOCK_NB) == 0, "the shared lock is exclusive");
		held(p, F_GETLK, 0, 10, F_UNLCK, 0, 0, "posix, before");
		held(p, F_GETLK, 0, 12, F_WRLCK, 10, 5, "posix, first");
		held(p, F_GETLK, 15, 2, F_UNLCK, 0, 0, "posix, the gap");
		held(p, F_GETLK, 16, 4, F_WRLCK, 17, 13, "posix, second");
		held(p, F_GETLK, 40, 20, F_RDLCK, 50, 1, "posix, one byte");
		held(p, F_GETLK, 5000, 1, F_RDLCK, 100, 0, "posix, to the end");
		held(o, F_OFD_GETLK, (5LL << 32) + 9, 1, F_WRLCK, 5LL << 32, 10, "ofd, far");
		held(o, F_OFD_GETLK, 0, 1, F_RDLCK, 0, 4, "ofd, read");
		held(o, F_OFD_GETLK, 5, 1, F_RDLCK, 2, 4, "ofd, read by another file");
		held(o, F_OFD_GETLK, 6, 100, F_UNLCK, 0, 0, "ofd, after");
		/* this lock came with the open file: whoever has that may give it up */
		e = file("inherited", O_RDWR);
		CHECK(flock(e, LOCK_SH | LOCK_NB) < 0, "the inherited lock is gone");
		CHECK(flock(inherited, LOCK_UN) == 0 && flock(e, LOCK_EX | LOCK_NB) == 0, "the child does not have the inherited lock");
		_exit(target_failed);
	}
	ready();
	await_check();
	CHECK(write(go[1], "g", 1) == 1, "write: %s", strerror(errno));
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child's status %#x", status);
	/* a POSIX lock belongs to the process: it may change it */
	CHECK(range(posix, F_SETLK, F_WRLCK, 0, 0) == 0, "the lock is another's: %s", strerror(errno));
	CHECK(flock(twin, LOCK_UN) == 0, "flock: %s", strerror(errno));
	close(ex);
}

static void leases(void)
{
	int rd = file("read", O_RDONLY), wr = file("write", O_RDWR);

	close(file("none", O_RDWR));
	MUST(!fcntl(rd, F_SETLEASE, F_RDLCK) && !fcntl(wr, F_SETLEASE, F_WRLCK) && !fcntl(wr, F_SETSIG, SIGUSR1));
	signal(SIGIO, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	ready();
	await_check();
	CHECK(fcntl(rd, F_GETLEASE) == F_RDLCK, "read lease: %d", fcntl(rd, F_GETLEASE));
	CHECK(fcntl(wr, F_GETLEASE) == F_WRLCK, "write lease: %d", fcntl(wr, F_GETLEASE));
	CHECK(open("write", O_RDONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK, "the write lease does not hold");
	CHECK(open("read", O_WRONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK, "the read lease does not hold");
	CHECK(fcntl(wr, F_GETLEASE) == F_RDLCK && fcntl(rd, F_GETLEASE) == F_UNLCK, "they do not break");
}

/* Somebody waits to see the lease broken. */
static void breaking(void)
{
	int rd = file("read", O_RDONLY), wr = file("write", O_RDWR);

	signal(SIGIO, SIG_IGN);
	MUST(!fcntl(rd, F_SETLEASE, F_RDLCK) && !fcntl(wr, F_SETLEASE, F_WRLCK));
	MUST(open("write", O_RDONLY | O_NONBLOCK) < 0 && open("read", O_WRONLY | O_NONBLOCK) < 0);
	MUST(fcntl(wr, F_GETLEASE) == F_RDLCK && fcntl(rd, F_GETLEASE) == F_UNLCK);
	ready();
	await_check();
	CHECK(fcntl(wr, F_GETLEASE) == F_RDLCK, "write lease: %d", fcntl(wr, F_GETLEASE));
	CHECK(fcntl(rd, F_GETLEASE) == F_UNLCK, "read lease: %d", fcntl(rd, F_GETLEASE));
	CHECK(open("read", O_WRONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK, "the read lease was broken");
}

static void deleted(void)
{
	int wr = file("gone", O_RDWR);

	signal(SIGIO, SIG_IGN);
	MUST(!fcntl(wr, F_SETLEASE, F_WRLCK) && !unlink("gone"));
	ready();
	await_check();
	CHECK(fcntl(wr, F_GETLEASE) == F_WRLCK, "lease: %d", fcntl(wr, F_GETLEASE));
}

int main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";

	if (!strcmp(part, "locks"))
		locks();
	else if (!strcmp(part, "leases"))
		leases();
	else if (!strcmp(part, "breaking"))
		breaking();
	else if (!strcmp(part, "deleted"))
		deleted();
	else
		MUST(!"a part's name");
	return verdict();
}
