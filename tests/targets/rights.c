/* SPDX-License-Identifier: Apache-2.0 */
/* Open files in messages that wait in unix sockets. The first argument names the part. */
#include "target.h"
#include <sys/epoll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { MOST = 8 };

static char text[100000];

/* give sends words with n open files and closes those. */
static void give(int via, const char *words, int n, const int *fds)
{
	char space[CMSG_SPACE(MOST * sizeof(int))] = { 0 };
	struct iovec v = { (void *)words, strlen(words) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n) {
		m.msg_control = space;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	MUST(sendmsg(via, &m, 0) == (ssize_t)strlen(words));
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

#define GIVE(via, words, ...) give(via, words, sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), (int[]){ __VA_ARGS__ })

/* take receives the words, no more of a stream, and as many open files. */
static void take(int via, const char *words, int n, int *fds)
{
	char space[CMSG_SPACE(MOST * sizeof(int))];
	struct iovec v = { text, strlen(words) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space) };
	ssize_t got = recvmsg(via, &m, MSG_DONTWAIT);
	struct cmsghdr *c;
	int came = 0;

	CHECK(got == (ssize_t)strlen(words) && !memcmp(text, words, got), "%zd bytes, not \"%s\"", got, words);
	c = got >= 0 ? CMSG_FIRSTHDR(&m) : NULL;
	for (int i = 0; i < n; i++)
		fds[i] = -1;
	if (c && c->cmsg_type == SCM_RIGHTS) {
		came = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), (came < n ? came : n) * sizeof(int));
	}
	CHECK(came == n, "\"%s\" came with %d files, not %d", words, came, n);
}

static void reads(int fd, const char *want, const char *what)
{
	ssize_t n = read(fd, text, sizeof(text));

	CHECK(n == (ssize_t)strlen(want) && !memcmp(text, want, n), "%s: %zd bytes, not \"%s\"", what, n, want);
}

static void nothing(int fd)
{
	ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	CHECK(n < 0 && errno == EAGAIN, "%zd bytes more", n);
}

static int file(const char *name, const char *content)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	MUST(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	return fd;
}

static void pair(int type, int *p) { MUST(!socketpair(AF_UNIX, type, 0, p)); }

/* Files of several kinds, with bytes between the messages that bring them. */
static void files(int type)
{
	int p[2], q[2], f, got[3];

	pair(type, p);
	MUST(!pipe(q) && write(q[1], "in the pipe", 11) == 11);
	f = file("file", "0123456789");
	MUST(lseek(f, 4, SEEK_SET) == 4);
	GIVE(p[0], "plain");
	GIVE(p[0], "two", f, q[0]);
	GIVE(p[0], "again plain");
	GIVE(p[0], "and more");
	f = file("gone", "a deleted file");
	MUST(!unlink("gone") && !lseek(f, 0, SEEK_SET));
	GIVE(p[0], "one", eventfd(77, EFD_NONBLOCK));
	GIVE(p[0], "next", f, open("/dev/null", O_WRONLY), open(".", O_RDONLY));
	GIVE(p[0], "end");
	ready();
	await_check();
	take(p[1], "plain", 0, got);
	take(p[1], "two", 2, got);
	CHECK(lseek(got[0], 0, SEEK_CUR) == 4, "position %ld", (long)lseek(got[0], 0, SEEK_CUR));
	reads(got[0], "456789", "file");
	reads(got[1], "in the pipe", "pipe");
	CHECK(write(q[1], "more", 4) == 4, "write: %s", strerror(errno));
	reads(got[1], "more", "pipe");
	take(p[1], "again plain", 0, got);
	take(p[1], "and more", 0, got);
	take(p[1], "one", 1, got);
	CHECK(read(got[0], text, 8) == 8 && text[0] == 77, "eventfd");
	take(p[1], "next", 3, got);
	reads(got[0], "a deleted file", "deleted file");
	CHECK(write(got[1], "x", 1) == 1 && fcntl(got[1], F_GETFL) == (O_WRONLY | 0100000), "null: %o", fcntl(got[1], F_GETFL));
	take(p[1], "end", 0, got);
	nothing(p[1]);
}

static void stream(void) { files(SOCK_STREAM); }
static void dgram(void) { files(SOCK_DGRAM); }
static void seqpacket(void) { files(SOCK_SEQPACKET); }

/* A socket in a message, with a message that has a socket, with a message that has a file. */
static void nested(void)
{
	int a[2], b[2], c[2], got, deeper, deepest;

	pair(SOCK_STREAM, a);
	pair(SOCK_SEQPACKET, b);
	pair(SOCK_DGRAM, c);
	GIVE(c[0], "deepest", file("file", "deep"));
	GIVE(b[0], "deeper", c[1]);
	GIVE(a[0], "socket", b[1]);
	ready();
	await_check();
	take(a[1], "socket", 1, &got);
	take(got, "deeper", 1, &deeper);
	take(deeper, "deepest", 1, &deepest);
	CHECK(lseek(deepest, 0, SEEK_SET) == 0, "lseek: %s", strerror(errno));
	reads(deepest, "deep", "file");
	GIVE(c[0], "new");
	take(deeper, "new", 0, NULL);
	CHECK(send(deeper, "back", 4, 0) == 4, "send: %s", strerror(errno));
	reads(c[0], "back", "the first end");
	CHECK(send(got, "back", 4, 0) == 4, "send: %s", strerror(errno));
	reads(b[0], "back", "the first end");
}

/* Both ends of a pair, in one message and in two. */
static void both(void)
{
	int a[2], b[2], c[2], got[2], more[2], f;

	pair(SOCK_STREAM, a);
	pair(SOCK_STREAM, b);
	pair(SOCK_STREAM, c);
	GIVE(b[0], "inside", file("file", "within"));
	GIVE(a[0], "both", b[0], b[1]);
	GIVE(a[0], "one", c[0]);
	GIVE(a[0], "other", c[1]);
	ready();
	await_check();
	take(a[1], "both", 2, got);
	take(got[1], "inside", 1, &f);
	CHECK(!lseek(f, 0, SEEK_SET), "lseek: %s", strerror(errno));
	reads(f, "within", "file");
	CHECK(send(got[1], "back", 4, 0) == 4, "send: %s", strerror(errno));
	reads(got[0], "back", "pair");
	take(a[1], "one", 1, more);
	take(a[1], "other", 1, more + 1);
	CHECK(send(more[0], "over", 4, 0) == 4, "send: %s", strerror(errno));
	reads(more[1], "over", "other pair");
}

/* Files that are open, too, sent more than once; a socket that is sent to itself. */
static void polled(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 4711 };
	int a[2], epoll = epoll_create1(0), got;

	pair(SOCK_DGRAM, a);
	MUST(epoll >= 0 && !epoll_ctl(epoll, EPOLL_CTL_ADD, a[1], &e));
	GIVE(a[0], "epoll", epoll);
	GIVE(a[0], "more");
	ready();
	await_check();
	take(a[1], "epoll", 1, &got);
	memset(&e, 0, sizeof(e));
	CHECK(epoll_wait(got, &e, 1, 0) == 1 && e.data.u64 == 4711, "nothing to be read");
}

static void shared(void)
{
	int a[2], f, got[3];

	pair(SOCK_STREAM, a);
	f = file("file", "0123456789");
	MUST(!lseek(f, 0, SEEK_SET));
	GIVE(a[0], "twice", dup(f), dup(f));
	GIVE(a[0], "again", dup(f));
	GIVE(a[0], "self", dup(a[0]));
	ready();
	await_check();
	take(a[1], "twice", 2, got);
	take(a[1], "again", 1, got + 2);
	for (int i = 0; i < 3; i++)
		CHECK(read(got[i], text, 2) == 2 && text[0] == '0' + 2 * i, "file %d: not the same position", i);
	CHECK(lseek(f, 0, SEEK_CUR) == 6, "position %ld", (long)lseek(f, 0, SEEK_CUR));
	take(a[1], "self", 1, got);
	GIVE(got[0], "through it");
	take(a[1], "through it", 0, NULL);
}

/* To a named receiver, a server's socket, and between processes. */
static void family(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t n;
	int a[2], l, r, s, c, got[2], p[2], status;
	pid_t child;

	n = offsetof(struct sockaddr_un, sun_path) + snprintf(at.sun_path + 1, 90, "fastcr-rights-%d", getpid()) + 1;
	pair(SOCK_STREAM, a);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(l >= 0 && !bind(l, (void *)&at, n) && !listen(l, 5) && !pipe(p));
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(c >= 0 && !connect(c, (void *)&at, n));
	r = socket(AF_UNIX, SOCK_DGRAM, 0);
	at.sun_path[1] = 'r';
	MUST(r >= 0 && !bind(r, (void *)&at, n));
	s = socket(AF_UNIX, SOCK_DGRAM, 0);
	MUST(s >= 0 && !connect(s, (void *)&at, n));
	child = fork();
	MUST(child >= 0);
	if (!child) {
		close(a[0]);
		close(l);
		close(r);
		close(s);
		MUST(write(p[1], "x", 1) == 1);
		await_check();
		take(a[1], "listener", 1, got);
		CHECK((got[1] = accept(got[0], 0, 0)) >= 0, "accept: %s", strerror(errno));
		GIVE(c, "hello");
		take(got[1], "hello", 0, NULL);
		_exit(target_failed);
	}
	MUST(read(p[0], text, 1) == 1);
	close(a[1]);
	close(c);
	GIVE(a[0], "listener", l);
	GIVE(s, "file", file("file", "to the named one"));
	ready();
	await_check();
	take(r, "file", 1, got);
	CHECK(!lseek(got[0], 0, SEEK_SET), "lseek: %s", strerror(errno));
	reads(got[0], "to the named one", "file");
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child's status %#x", status);
}

/* Files that wait at both ends of a pair, in one process or two. */
static void both_ways(int two)
{
	int a[2], got, p[2], status;
	pid_t child = 1;

	pair(SOCK_STREAM, a);
	MUST(!pipe(p));
	GIVE(a[0], "there", file("there", "x"));
	GIVE(a[1], "back", file("back", "y"));
	if (two) {
		child = fork();
		MUST(child >= 0);
		close(a[child != 0]);
		if (!child)
			MUST(write(p[1], "x", 1) == 1);
		else
			MUST(read(p[0], text, 1) == 1);
	}
	if (child)
		ready();
	await_check();
	if (child)
		take(a[0], "back", 1, &got);
	if (!child || !two)
		take(a[1], "there", 1, &got);
	if (!child)
		_exit(target_failed);
	if (two)
		CHECK(waitpid(child, &status, 0) == child && status == 0, "the child's status %#x", status);
}

static void ways(void) { both_ways(0); }
static void ways_two(void) { both_ways(1); }

/* A child has the end that nobody else has, and gets files. */
static void to_child(int mine)
{
	int a[2], got, p[2], status;
	pid_t child;

	pair(SOCK_SEQPACKET, a);
	MUST(!pipe(p));
	child = fork();
	MUST(child >= 0);
	close(a[child ? !mine : mine]);
	if (!child) {
		MUST(write(p[1], "x", 1) == 1);
		await_check();
		take(a[!mine], "file", 1, &got);
		_exit(target_failed);
	}
	MUST(read(p[0], text, 1) == 1);
	GIVE(a[mine], "file", file("file", "x"));
	ready();
	await_check();
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child's status %#x", status);
}

static void to_child0(void) { to_child(0); }
static void to_child1(void) { to_child(1); }

/* A socket that nobody is connected to, in a message only. */
static void lonely(void)
{
	int a[2], got;

	pair(SOCK_STREAM, a);
	GIVE(a[0], "lonely", socket(AF_UNIX, SOCK_DGRAM, 0));
	ready();
	await_check();
	take(a[1], "lonely", 1, &got);
}

static void unconnected(void)
{
	int a[2], got;

	pair(SOCK_STREAM, a);
	GIVE(a[0], "stream", socket(AF_UNIX, SOCK_STREAM, 0));
	ready();
	await_check();
	take(a[1], "stream", 1, &got);
	CHECK(listen(got, 1) < 0 && errno == EINVAL, "listen");
}

/* The sender is gone. */
static void orphan(void)
{
	int a[2], b[2], got;

	pair(SOCK_STREAM, a);
	pair(SOCK_SEQPACKET, b);
	GIVE(a[0], "last words");
	GIVE(a[0], "file", file("file", "left"));
	GIVE(b[0], "file", file("other", "left"));
	close(a[0]);
	close(b[0]);
	ready();
	await_check();
	take(a[1], "last words", 0, NULL);
	take(a[1], "file", 1, &got);
	CHECK(!lseek(got, 0, SEEK_SET), "lseek: %s", strerror(errno));
	reads(got, "left", "file");
	CHECK(recv(a[1], text, 1, MSG_DONTWAIT) == 0, "no end of file");
	take(b[1], "file", 1, &got);
	CHECK(recv(b[1], text, 1, MSG_DONTWAIT) == 0, "no end of file");
}

/* Messages without bytes, alone and among others. */
static void empty(void)
{
	int a[2], b[2];

	pair(SOCK_DGRAM, a);
	pair(SOCK_SEQPACKET, b);
	GIVE(a[0], "");
	GIVE(a[0], "x");
	GIVE(a[0], "");
	GIVE(a[0], "");
	GIVE(a[0], "y");
	GIVE(b[0], "");
	ready();
	await_check();
	take(a[1], "", 0, NULL);
	take(a[1], "x", 0, NULL);
	take(a[1], "", 0, NULL);
	take(a[1], "", 0, NULL);
	take(a[1], "y", 0, NULL);
	nothing(a[1]);
	take(b[1], "", 0, NULL);
	nothing(b[1]);
}

/* What only a message has and a restore cannot make. */
static void memfd(void)
{
	int a[2], got;

	pair(SOCK_STREAM, a);
	GIVE(a[0], "memory", memfd_create("secret", 0));
	ready();
	await_check();
	take(a[1], "memory", 1, &got);
}

static void no_bytes(void)
{
	int a[2], got;

	pair(SOCK_DGRAM, a);
	GIVE(a[0], "", file("file", "x"));
	ready();
	await_check();
	take(a[1], "", 1, &got);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(void); } parts[] = {
		{ "stream", stream }, { "dgram", dgram }, { "seqpacket", seqpacket }, { "nested", nested }, { "both", both }, { "shared", shared }, { "epoll", polled },
		{ "family", family }, { "orphan", orphan }, { "empty", empty }, { "memfd", memfd }, { "no bytes", no_bytes },
		{ "both ways", ways }, { "both ways, two", ways_two }, { "to child 0", to_child0 }, { "to child 1", to_child1 },
		{ "lonely", lonely }, { "unconnected", unconnected },
	};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (argc > 1 && !strcmp(argv[1], parts[i].name)) {
			parts[i].run();
			return verdict();
		}
	MUST(!"a part's name");
}
