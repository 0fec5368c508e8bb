/* SPDX-License-Identifier: Apache-2.0 */
/* Plain files, in every way that they can be open. The first argument names the part. */
#include "target.h"
#include <sched.h>
#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>

static int make(const char *name, int flags, const char *text)
{
	int fd = open(name, flags | O_CREAT, 0640);
	int w = open(name, O_WRONLY);

	MUST(fd >= 0 && w >= 0 && write(w, text, strlen(text)) == (ssize_t)strlen(text));
	close(w);
	return fd;
}

static void reads(int fd, off_t at, const char *want, const char *what)
{
	char buf[256] = "";
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, at);

	CHECK(n == (ssize_t)strlen(want) && !strcmp(buf, want), "%s reads %zd bytes, \"%s\", not \"%s\"", what, n, buf, want);
}

static void at(int fd, off_t want, const char *what)
{
	off_t pos = lseek(fd, 0, SEEK_CUR);

	CHECK(pos == want, "%s is at %lld, not %lld", what, (long long)pos, (long long)want);
}

/* What O_PATH opened has a path and no state. */
static void same(int fd, const struct stat *want, const char *what)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0, "fstat %s: %s", what, strerror(errno));
	CHECK(st.st_ino == want->st_ino && st.st_dev == want->st_dev && st.st_mode == want->st_mode, "%s is another file", what);
}

static void opened(void)
{
	const off_t far = (5LL << 32) + 12345;
	int append = make("append", O_WRONLY | O_APPEND, "first\n"), rw = make("rw", O_RDWR, "0123456789");
	int direct = make("direct", O_RDONLY | O_DIRECT, "aligned"), sync = make("sync", O_RDWR | O_SYNC | O_NOATIME | O_CLOEXEC, "s");
	int sparse = open("sparse", O_RDWR | O_CREAT | O_LARGEFILE, 0600), path, dirpath, link, fifo, device;
	struct stat st, dirst, linkst, fifost, devst;
	int flags[64];
	void *aligned;

	MUST(posix_memalign(&aligned, 4096, 4096) == 0);
	MUST(write(append, "second\n", 7) == 7 && lseek(rw, 4, SEEK_SET) == 4);
	MUST(lseek(sparse, far, SEEK_SET) == far && write(sparse, "end", 3) == 3);
	MUST((path = open("rw", O_PATH)) >= 0 && (dirpath = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)) >= 0);
	MUST(symlink("nowhere", "link") == 0 && (link = open("link", O_PATH | O_NOFOLLOW)) >= 0);
	MUST(mkfifo("fifo", 0600) == 0 && (fifo = open("fifo", O_PATH)) >= 0 && (device = open("/dev/null", O_PATH)) >= 0);
	MUST(!fstat(path, &st) && !fstat(dirpath, &dirst) && !fstat(link, &linkst) && !fstat(fifo, &fifost) && !fstat(device, &devst));
	for (int fd = 3; fd <= device; fd++)
		flags[fd] = fcntl(fd, F_GETFL);
	ready();
	await_check();
	for (int fd = 3; fd <= device; fd++)
		CHECK(!((fcntl(fd, F_GETFL) ^ flags[fd]) & ~O_TMPFILE), "fd %d: flags are %#x, were %#x", fd, fcntl(fd, F_GETFL), flags[fd]);
	CHECK(fcntl(sync, F_GETFD) == FD_CLOEXEC && fcntl(rw, F_GETFD) == 0, "close-on-exec");
	at(rw, 4, "rw");
	at(sparse, far + 3, "sparse");
	reads(sparse, far, "end", "sparse");
	CHECK(read(direct, aligned, 4096) == 7 && !memcmp(aligned, "aligned", 7), "O_DIRECT: %s", strerror(errno));
	same(path, &st, "O_PATH");
	same(dirpath, &dirst, "O_PATH of a directory");
	same(link, &linkst, "O_PATH of a symbolic link");
	same(fifo, &fifost, "O_PATH of a FIFO");
	same(device, &devst, "O_PATH of a device");
	CHECK(read(path, aligned, 1) < 0 && errno == EBADF, "O_PATH reads");
	CHECK(faccessat(dirpath, "rw", F_OK, 0) == 0, "O_PATH directory: %s", strerror(errno));
	CHECK(lseek(append, 0, SEEK_SET) == 0 && write(append, "third\n", 6) == 6, "append: %s", strerror(errno));
	CHECK(read(rw, aligned, 3) == 3 && !memcmp(aligned, "456", 3), "rw at its place");
	reads(open("append", O_RDONLY), 0, "first\nsecond\nthird\n", "append");
}

/* Files without a name come back with their content, and still without a name. */
static void ghosts(void)
{
	int fd = make("ghost", O_RDWR, "I have no name"), again = open("ghost", O_RDONLY), wr = open("ghost", O_WRONLY | O_APPEND);
	int nameless = open(".", O_TMPFILE | O_RDWR, 0600), sparse = open("sparse", O_RDWR | O_CREAT, 0601), replaced = make("replaced", O_RDWR, "the old");
	int empty = make("empty", O_RDONLY, ""), path, link;
	struct stat st, before;
	char *map, *shared, text[6];

	MUST(ftruncate(sparse, 6LL << 30) == 0 && pwrite(sparse, "middle", 6, 3LL << 30) == 6);
	MUST(write(nameless, "nameless", 8) == 8);
	MUST(lseek(fd, 2, SEEK_SET) == 2);
	close(make("mapped", O_RDWR, "mapped only"));
	int m = open("mapped", O_RDWR);
	MUST((map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, m, 0)) != MAP_FAILED);
	MUST((shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) != MAP_FAILED);
	close(m);
	MUST((path = open("empty", O_PATH)) >= 0);
	MUST(!symlink("where/it/led", "link") && (link = open("link", O_PATH | O_NOFOLLOW)) >= 0 && !unlink("link"));
	MUST(!unlink("ghost") && !unlink("sparse") && !unlink("mapped") && !unlink("empty"));
	close(make("newer", O_RDWR, "the new"));
	MUST(rename("newer", "replaced") == 0);
	MUST(fchmod(fd, 0604) == 0 && fstat(fd, &before) == 0);
	ready();
	await_check();
	CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0 && st.st_mode == before.st_mode && st.st_uid == before.st_uid, "links %d mode %o", (int)st.st_nlink, st.st_mode);
	CHECK(st.st_mtime == before.st_mtime && st.st_size == before.st_size, "time or size");
	CHECK(access("ghost", F_OK) < 0 && access("sparse", F_OK) < 0 && access("mapped", F_OK) < 0 && access("empty", F_OK) < 0, "it has a name");
	at(fd, 2, "ghost");
	reads(fd, 0, "I have no name", "ghost");
	reads(again, 0, "I have no name", "the second of ghost");
	CHECK(write(wr, "!", 1) == 1, "append: %s", strerror(errno));
	reads(again, 0, "I have no name!", "ghost, written elsewhere");
	shared[0] = 'J';
	reads(again, 0, "J have no name!", "ghost, written through a mapping");
	reads(nameless, 0, "nameless", "O_TMPFILE");
	at(nameless, 8, "O_TMPFILE");
	reads(empty, 0, "", "empty");
	CHECK(pread(sparse, text, 6, 3LL << 30) == 6 && !memcmp(text, "middle", 6), "sparse says %.6s", text);
	CHECK(fstat(sparse, &st) == 0 && st.st_size == 6LL << 30 && st.st_blocks < 100, "sparse: %lld bytes in %lld blocks", (long long)st.st_size, (long long)st.st_blocks);
	CHECK(readlinkat(link, "", text, 6) == 6 && !memcmp(text, "where/", 6), "the link leads to %.6s", text);
	CHECK(!strcmp(map, "mapped only"), "mapping says \"%.20s\"", map);
	reads(replaced, 0, "the old", "replaced");
	reads(open("replaced", O_RDONLY), 0, "the new", "what replaced it");
}

static int count(const char *prefix)
{
	DIR *d = opendir(".");
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)))
		n += !strncmp(e->d_name, prefix, strlen(prefix));
	closedir(d);
	return n;
}

/* Deleted files that have another name. */
static void links(int big)
{
	int fd = make("name", O_RDWR, "two names"), again = open("name", O_RDONLY), ro = make("mapped", O_RDONLY, "mapped");
	struct stat st, before;
	char *map;

	MUST(link("name", "other") == 0 && link("mapped", "still") == 0 && lseek(fd, 3, SEEK_SET) == 3);
	MUST((map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, ro, 0)) != MAP_FAILED);
	close(ro);
	if (big) {
		int fd = make("big", O_RDWR, "more than the limit allows");

		for (int i = 0; i < 100; i++)
			MUST(pwrite(fd, "x", 1, i * 65536) == 1);
		MUST(unlink("big") == 0);
	}
	MUST(unlink("name") == 0 && unlink("mapped") == 0 && fstat(fd, &before) == 0);
	ready();
	await_check();
	CHECK(fstat(fd, &st) == 0 && st.st_ino == before.st_ino, "another inode");
	CHECK(access("name", F_OK) < 0 && access("mapped", F_OK) < 0, "the name is back");
	if (big || !checked_live()) {
		CHECK(st.st_nlink == 1, "%d links", (int)st.st_nlink);
		CHECK(count("link_remap.") == 0, "%d temporary links are left", count("link_remap."));
	}
	at(fd, 3, "the file");
	CHECK(pwrite(fd, "TWO", 3, 0) == 3, "write: %s", strerror(errno));
	reads(again, 0, "TWO names", "the second");
	reads(open("other", O_RDONLY), 0, "TWO names", "the other name");
	CHECK(!strcmp(map, "mapped"), "mapping says %.10s", map);
	CHECK(pwrite(fd, "two", 3, 0) == 3, "write: %s", strerror(errno));
}

static void links_only(void) { links(0); }
static void links_and_big(void) { links(1); }

static void many(void)
{
	struct rlimit l = { 6000, 6000 };
	enum { N = 5000 };
	static int fds[N];
	char name[64], text[64];

	MUST(setrlimit(RLIMIT_NOFILE, &l) == 0 && mkdir("many", 0755) == 0);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		snprintf(text, sizeof(text), "file %d", i);
		fds[i] = i % 10 ? make(name, i % 2 ? O_RDWR : O_RDONLY, text) : dup(fds[i ? i - 1 : 0]);
		if (!i)
			fds[0] = make(name, O_RDWR, text);
		MUST(lseek(fds[i], i % 7, SEEK_SET) == i % 7);
		MUST(fcntl(fds[i], F_SETFD, i % 3 ? 0 : FD_CLOEXEC) == 0);
	}
	ready();
	await_check();
	for (int i = 0; i < N; i++) {
		int file = i % 10 ? i : i ? i - 1 : 0, last = (i + 1) % 10 ? i : i + 1;

		if (last == N || !i)
			last = i;
		snprintf(text, sizeof(text), "file %d", file);
		reads(fds[i], 0, text, "one of many");
		at(fds[i], last % 7, text);
		CHECK(fcntl(fds[i], F_GETFD) == (i % 3 ? 0 : FD_CLOEXEC), "close-on-exec of %d", i);
	}
}

/* list counts names from the directory's place on, max calls at most. */
static int list(int fd, int calls)
{
	char buf[256];
	long n;
	int seen = 0;

	while (calls-- && (n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n; at += *(uint16_t *)(buf + at + 16)) /* d_reclen */
			seen++;
	return seen;
}

static void dirs(void)
{
	int sub, fd, seen;
	off_t place;
	struct stat st;

	MUST(mkdir("dir", 0700) == 0 && mkdir("dir/sub", 0711) == 0 && chdir("dir/sub") == 0);
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		close(make(name, O_RDWR, ""));
	}
	MUST((sub = open(".", O_RDONLY)) >= 0 && (fd = open("..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
	MUST(chdir("../..") == 0);
	seen = list(sub, 4);
	MUST(seen > 10 && seen < 90);
	place = lseek(sub, 0, SEEK_CUR);
	ready();
	await_check();
	at(sub, place, "the directory");
	seen += list(sub, -1);
	CHECK(seen == 102, "%d names", seen);
	CHECK(lseek(sub, 0, SEEK_SET) == 0 && (seen = list(sub, -1)) == 102, "%d names from the start", seen);
	CHECK(fstatat(fd, "sub/7", &st, 0) == 0, "relative to a directory: %s", strerror(errno));
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC, "close-on-exec");
}

static void rmdirs(void)
{
	struct stat st;
	int fd;

	MUST(mkdir("gone", 0750) == 0 && (fd = open("gone", O_RDONLY | O_DIRECTORY)) >= 0);
	MUST(rmdir("gone") == 0);
	ready();
	await_check();
	CHECK(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0750, "mode %o", st.st_mode);
	CHECK(st.st_nlink == 0, "%d links", (int)st.st_nlink);
	CHECK(openat(fd, "x", O_CREAT | O_WRONLY, 0600) < 0 && errno == ENOENT, "a file was made in it");
	CHECK(access("gone", F_OK) < 0, "it has a name");
}

static void devices(void)
{
	static const struct { const char *path; int flags; } dev[] = {
		{ "/dev/null", O_RDWR }, { "/dev/zero", O_RDONLY }, { "/dev/full", O_WRONLY | O_APPEND },
		{ "/dev/urandom", O_RDONLY | O_CLOEXEC }, { "/dev/random", O_RDONLY | O_NONBLOCK }, { "own", O_RDONLY },
	};
	enum { N = sizeof(dev) / sizeof(dev[0]) };
	int fd[N];
	char a[32], b[32] = { 0 };

	MUST(mknod("own", S_IFCHR | 0600, makedev(1, 5)) == 0);
	for (int i = 0; i < N; i++)
		MUST((fd[i] = open(dev[i].path, dev[i].flags)) >= 0);
	ready();
	await_check();
	for (int i = 0; i < N; i++)
		CHECK((fcntl(fd[i], F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) == (dev[i].flags & ~O_CLOEXEC), "flags of %s", dev[i].path);
	CHECK(write(fd[0], "x", 1) == 1 && read(fd[0], a, 1) == 0, "/dev/null");
	memset(a, 1, sizeof(a));
	CHECK(read(fd[1], a, 32) == 32 && !memcmp(a, b, 32), "/dev/zero");
	CHECK(write(fd[2], "x", 1) < 0 && errno == ENOSPC, "/dev/full");
	CHECK(read(fd[3], a, 32) == 32 && memcmp(a, b, 32), "/dev/urandom");
	CHECK(fcntl(fd[3], F_GETFD) == FD_CLOEXEC, "close-on-exec");
	CHECK(read(fd[4], a, 32) == 32 && memcmp(a, b, 32), "/dev/random");
	CHECK(read(fd[5], a, 32) == 32 && !memcmp(a, b, 32), "a node of one's own");
}

/* A file in a directory that somebody mounts over. */
static void covered(void)
{
	int fd;

	MUST(mkdir("covered", 0755) == 0 && (fd = make("covered/file", O_RDWR, "hidden")) >= 0);
	ready();
	await_check();
	reads(fd, 0, "hidden", "the file");
}

/* Fd 3 is a file that a restore is handed. */
static void external(void)
{
	int fd = make("external", O_RDWR | O_APPEND, "not in the images\n"), twin = dup(fd);

	MUST(fd == 3 && ftruncate(fd, 3 << 20) == 0 && lseek(fd, 7, SEEK_SET) == 7);
	for (int i = 0; i < 1000; i++)
		MUST(pwrite(open("external", O_WRONLY), "x", 1, i * 3000 + 50) == 1);
	close_range(twin + 1, ~0U, 0);
	MUST(unlink("external") == 0);
	ready();
	await_check();
	at(fd, 7, "the external file");
	at(twin, 7, "its twin");
	CHECK(read(twin, (char[8]){ 0 }, 3) == 3, "read: %s", strerror(errno));
	at(fd, 10, "the external file");
	CHECK(fcntl(fd, F_GETFL) & O_APPEND, "flags");
}

/* Fd 0 is a terminal whose other side is elsewhere. */
static void terminal(void)
{
	struct termios t, now;
	char c = 0;

	MUST(isatty(0) && tcgetattr(0, &t) == 0);
	t.c_lflag &= ~(ICANON | ECHO);
	MUST(tcsetattr(0, TCSANOW, &t) == 0);
	ready();
	await_check();
	CHECK(tcgetattr(0, &now) == 0 && now.c_lflag == t.c_lflag, "modes");
	CHECK(write(0, "?", 1) == 1 && read(0, &c, 1) == 1 && c == '!', "no answer: %c", c);
}

static void owner(int fd, int type, pid_t pid, int sig, const char *what)
{
	struct f_owner_ex o;

	CHECK(fcntl(fd, F_GETOWN_EX, &o) == 0 && o.type == type && o.pid == pid, "%s: owner %d, type %d", what, o.pid, o.type);
	CHECK(fcntl(fd, F_GETSIG) == sig, "%s: signal %d", what, fcntl(fd, F_GETSIG));
}

static volatile sig_atomic_t signals, from_fd;

static void on_signal(int sig, siginfo_t *info, void *ctx)
{
	(void)sig, (void)ctx;
	signals++;
	from_fd = info->si_fd;
}

/* Open files that several descriptors and processes share; who hears of their input. */
static void shared(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	int fd = make("shared", O_RDWR, "0123456789"), twin = dup(fd), other = open("shared", O_RDWR), up[2], down[2], async[2], status;
	struct f_owner_ex thread = { F_OWNER_TID, getpid() };
	pid_t child;
	char c = 0;

	MUST(dup3(fd, 500, O_CLOEXEC) == 500 && !pipe(up) && !pipe2(down, O_CLOEXEC) && !pipe2(async, O_NONBLOCK));
	MUST(lseek(fd, 3, SEEK_SET) == 3 && lseek(other, 7, SEEK_SET) == 7);
	MUST(sigaction(SIGRTMIN + 3, &sa, NULL) == 0);
	child = fork();
	MUST(child >= 0);
	if (!child) {
		close(up[0]);
		close(down[1]);
		MUST(fcntl(twin, F_SETFD, FD_CLOEXEC) == 0);
		MUST(write(up[1], "r", 1) == 1);
		if (read(down[0], &c, 1) != 1)
			_exit(9);
		/* the place is everybody's */
		at(fd, 5, "the child's");
		at(500, 5, "the child's 500");
		CHECK(lseek(twin, 8, SEEK_SET) == 8, "lseek");
		CHECK(fcntl(twin, F_GETFD) == FD_CLOEXEC && fcntl(500, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFD) == 0, "the child's close-on-exec");
		MUST(write(up[1], "d", 1) == 1);
		_exit(target_failed);
	}
	close(up[1]);
	close(down[0]);
	MUST(read(up[0], &c, 1) == 1);
	MUST(!fcntl(async[0], F_SETOWN, getpid()) && !fcntl(async[0], F_SETSIG, SIGRTMIN + 3) && !fcntl(async[0], F_SETFL, O_NONBLOCK | O_ASYNC));
	MUST(!fcntl(async[1], F_SETOWN, -getpgrp()) && !fcntl(other, F_SETOWN_EX, &thread) && !fcntl(other, F_SETSIG, SIGUSR2));
	ready();
	await_check();
	owner(async[0], F_OWNER_PID, getpid(), SIGRTMIN + 3, "read end");
	owner(async[1], F_OWNER_PGRP, getpgrp(), 0, "write end");
	owner(other, F_OWNER_TID, getpid(), SIGUSR2, "file");
	CHECK(fcntl(async[0], F_GETFL) == (O_NONBLOCK | O_ASYNC), "flags %#x", fcntl(async[0], F_GETFL));
	CHECK(write(async[1], "x", 1) == 1, "write: %s", strerror(errno));
	/* si_fd is what the descriptor was when O_ASYNC was set, in criu another */
	CHECK(signals == 1 && (from_fd == async[0] || !checked_live()), "%d signals, of %d", (int)signals, (int)from_fd);
	at(fd, 3, "fd");
	at(other, 7, "the file that was opened again");
	CHECK(lseek(twin, 5, SEEK_SET) == 5, "lseek");
	at(fd, 5, "fd, after its twin was moved");
	CHECK(write(down[1], "g", 1) == 1 && read(up[0], &c, 1) == 1 && c == 'd', "the child does not answer");
	at(500, 8, "500, after the child moved it");
	CHECK(fcntl(500, F_GETFD) == FD_CLOEXEC && fcntl(twin, F_GETFD) == 0, "close-on-exec");
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child's status %#x", status);
}

static void namespaces(void)
{
	static const char *const kinds[] = { "net", "pid", "mnt", "uts", "ipc", "user", "cgroup", "time" };
	char path[64], have[64], want[64];
	int fd[8];

	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		MUST((fd[i] = open(path, O_RDONLY | (i & 1 ? O_CLOEXEC : 0))) >= 0);
	}
	ready();
	await_check();
	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		memset(want, 0, sizeof(want));
		memset(have, 0, sizeof(have));
		CHECK(readlink(path, want, sizeof(want) - 1) > 0, "%s: %s", path, strerror(errno));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd[i]);
		CHECK(readlink(path, have, sizeof(have) - 1) > 0 && !strcmp(have, want), "is %s, not %s", have, want);
		CHECK(!(fcntl(fd[i], F_GETFD) & FD_CLOEXEC) == !(i & 1), "%s: close-on-exec", kinds[i]);
	}
}

static void other_namespace(void)
{
	pid_t pid = fork();
	char path[64];

	MUST(pid >= 0);
	if (!pid) {
		MUST(unshare(CLONE_NEWUTS) == 0);
		pause();
	}
	pause_ms(50);
	snprintf(path, sizeof(path), "/proc/%d/ns/uts", pid);
	MUST(open(path, O_RDONLY) == 3 && kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	ready();
	await_check();
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(void); } parts[] = {
		{ "opened", opened }, { "ghosts", ghosts }, { "links", links_only }, { "links and big", links_and_big }, { "many", many }, { "dirs", dirs },
		{ "rmdirs", rmdirs }, { "devices", devices },
		{ "covered", covered }, { "external", external }, { "terminal", terminal }, { "shared", shared },
		{ "namespaces", namespaces }, { "other namespace", other_namespace },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (argc > 1 && !strcmp(argv[1], parts[i].name)) {
			parts[i].run();
			return verdict();
		}
	MUST(!"a part's name");
}
