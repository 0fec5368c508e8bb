/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets with names, connections that wait, one-way datagrams. The first argument names the part. */
#include "target.h"
#include <linux/filter.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char text[300000];

/* name fills an address; an @ stands for the 0 of an abstract one. */
static socklen_t name(struct sockaddr_un *a, const char *path)
{
	size_t n = strlen(path);

	MUST(n < sizeof(a->sun_path));
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, path, n);
	for (size_t i = 0; path[0] == '@' && i < n; i++)
		if (path[i] == '@')
			a->sun_path[i] = 0;
	return offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@');
}

/* full is a path in the working directory. */
static const char *full(const char *file)
{
	static char path[256], cwd[200];

	MUST(getcwd(cwd, sizeof(cwd)) && snprintf(path, sizeof(path), "%s/%s", cwd, file) < (int)sizeof(path));
	return path;
}

static int bound(int type, const char *path)
{
	struct sockaddr_un a;
	socklen_t n = name(&a, path);
	int fd = socket(AF_UNIX, type, 0);

	MUST(fd >= 0 && !bind(fd, (void *)&a, n));
	return fd;
}

static int listener(int type, const char *path, int backlog)
{
	int fd = bound(type, path);

	MUST(!listen(fd, backlog));
	return fd;
}

static int join(int fd, const char *path)
{
	struct sockaddr_un a;
	socklen_t n = name(&a, path);

	return connect(fd, (void *)&a, n);
}

static int client(int type, const char *path)
{
	int fd = socket(AF_UNIX, type, 0);

	MUST(fd >= 0 && !join(fd, path));
	return fd;
}

static void says(int fd, const char *want, const char *what)
{
	ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	CHECK(n == (ssize_t)strlen(want) && !memcmp(text, want, n), "%s: %zd bytes, not \"%s\": %.*s", what, n, want, n > 0 ? (int)n : 0, text);
}

static void nothing(int fd, const char *what)
{
	ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	CHECK(n < 0 && errno == EAGAIN, "%s: %zd bytes more", what, n);
}

static void say(int fd, const char *words)
{
	MUST(send(fd, words, strlen(words), 0) == (ssize_t)strlen(words));
}

/* talk sends a word each way. */
static void talk(int a, int b, const char *what)
{
	CHECK(send(a, "ping", 4, MSG_NOSIGNAL) == 4, "%s: send: %s", what, strerror(errno));
	says(b, "ping", what);
	CHECK(send(b, "pong", 4, MSG_NOSIGNAL) == 4, "%s: send back: %s", what, strerror(errno));
	says(a, "pong", what);
}

static void called(int fd, const char *path, const char *what)
{
	struct sockaddr_un a, want;
	socklen_t n = sizeof(a), m = name(&want, path);

	CHECK(!getsockname(fd, (void *)&a, &n) && n == m && !memcmp(&a, &want, n), "%s: has another name: %.*s", what, (int)(n - 2), a.sun_path);
}

static void meet(int at, const char *path, int type, const char *what)
{
	int c = client(type, path), s = accept(at, 0, 0);

	CHECK(s >= 0, "%s: accept: %s", what, strerror(errno));
	talk(c, s, what);
	close(c);
	close(s);
}

static void served(int type, const char *path)
{
	int l = listener(type, path, 7), c = client(type, path), s = accept(l, 0, 0), second = client(type, path), t = accept(l, 0, 0);
	struct stat st;

	MUST(s >= 0 && t >= 0);
	say(c, "to the server");
	say(s, "to the client");
	say(t, "last words");
	close(t);
	if (path[0] != '@')
		MUST(!chmod(path, 0640) && !chown(path, 7, 8));
	ready();
	await_check();
	called(l, path, "listener");
	says(s, "to the server", "server");
	says(c, "to the client", "client");
	says(second, "last words", "second client");
	CHECK(recv(second, text, 1, MSG_DONTWAIT) == 0, "second client: no end of file");
	talk(c, s, "connection");
	meet(l, path, type, "new connection");
	if (path[0] != '@') {
		CHECK(!stat(path, &st) && (st.st_mode & 07777) == 0640 && st.st_uid == 7 && st.st_gid == 8, "permissions %o %d %d", st.st_mode, st.st_uid, st.st_gid);
		unlink(path);
	}
}

static void stream(void) { served(SOCK_STREAM, full("stream")); }
static void seqpacket(void) { served(SOCK_SEQPACKET, full("seqpacket")); }

static void abstract(void)
{
	char n[64];

	snprintf(n, sizeof(n), "@fastcr@%d@@x", getpid());
	served(SOCK_STREAM, n);
}

/* Names that begin where the program was when it bound them. */
static void relative(void)
{
	int a, b, c, d, s;

	MUST(!mkdir("in", 0755) && !mkdir("in/here", 0755) && !chdir("in"));
	a = listener(SOCK_STREAM, "a", 5);
	b = listener(SOCK_STREAM, "./b", 5);
	c = bound(SOCK_DGRAM, "here/c");
	d = client(SOCK_STREAM, "a");
	MUST((s = accept(a, 0, 0)) >= 0);
	MUST(!chdir(".."));
	ready();
	await_check();
	talk(d, s, "connection");
	called(a, "a", "a");
	called(b, "./b", "b");
	called(c, "here/c", "c");
	meet(a, "in/a", SOCK_STREAM, "a");
	meet(b, "in/b", SOCK_STREAM, "b");
	say(client(SOCK_DGRAM, "in/here/c"), "hello");
	says(c, "hello", "c");
}

/* Connections that nobody has accepted yet. */
static void waiting_at(int type, const char *path)
{
	int l = listener(type, path, 5), c[3], s[3], seen = 0;

	for (int i = 0; i < 3; i++)
		c[i] = client(type, path);
	MUST(!shutdown(c[2], SHUT_RD));
	ready();
	await_check();
	for (int i = 0; i < 3; i++) {
		char word[2] = { '0' + i };

		CHECK(send(c[i], word, 1, MSG_NOSIGNAL) == 1, "send: %s", strerror(errno));
	}
	MUST(!fcntl(l, F_SETFL, O_NONBLOCK));
	for (int i = 0; i < 3; i++) {
		CHECK((s[i] = accept(l, 0, 0)) >= 0, "accept: %s", strerror(errno));
		if (recv(s[i], text, 1, MSG_DONTWAIT) == 1 && text[0] >= '0' && text[0] < '3')
			seen |= 1 << (text[0] - '0');
		if (text[0] == '2') {
			CHECK(send(s[i], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "the third does not listen");
			continue;
		}
		CHECK(send(s[i], "back", 4, MSG_NOSIGNAL) == 4, "answer: %s", strerror(errno));
		says(c[text[0] - '0'], "back", "answer");
	}
	CHECK(seen == 7, "who was accepted: %d", seen);
	CHECK(accept(l, 0, 0) < 0 && errno == EAGAIN, "one more waits");
}

static void waiting(void) { waiting_at(SOCK_STREAM, full("waiting")); }
static void waiting_abstract(void)
{
	char n[64];

	snprintf(n, sizeof(n), "@fastcr-%d", getpid());
	waiting_at(SOCK_SEQPACKET, n);
}

static void waiting_deleted(void)
{
	const char *path = full("deleted");
	int l = listener(SOCK_STREAM, path, 5), c = client(SOCK_STREAM, path), s;

	MUST(!unlink(path));
	ready();
	await_check();
	CHECK((s = accept(l, 0, 0)) >= 0, "accept: %s", strerror(errno));
	talk(c, s, "connection");
	called(l, path, "listener");
	CHECK(access(path, F_OK) < 0, "the name is there again");
}

/* What cannot be kept of a connection that waits. */
static void waiting_sent(void)
{
	const char *path = full("sent");
	int l = listener(SOCK_STREAM, path, 5), c = client(SOCK_STREAM, path), s;

	say(c, "early");
	ready();
	await_check();
	MUST((s = accept(l, 0, 0)) >= 0);
	says(s, "early", "server");
}

static void waiting_closed(void)
{
	const char *path = full("closed");
	int l = listener(SOCK_STREAM, path, 5), s;

	close(client(SOCK_STREAM, path));
	ready();
	await_check();
	MUST((s = accept(l, 0, 0)) >= 0);
	CHECK(recv(s, text, 1, 0) == 0, "no end of file");
}

/* Datagrams that go one way, from several to one. */
static void oneway(void)
{
	char to[256], me[256], n[64];
	int r, a, b, c, self, abs, x, peer[2];

	snprintf(n, sizeof(n), "@fastcr-one-%d", getpid());
	strcpy(to, full("to"));
	strcpy(me, full("me"));
	a = socket(AF_UNIX, SOCK_DGRAM, 0); /* lower than the one that it will be connected to */
	r = bound(SOCK_DGRAM, to);
	MUST(!join(a, to));
	b = client(SOCK_DGRAM, to);
	c = socket(AF_UNIX, SOCK_DGRAM, 0);
	self = bound(SOCK_DGRAM, me);
	MUST(!join(self, me));
	abs = bound(SOCK_DGRAM, n);
	x = client(SOCK_DGRAM, n);
	MUST(!socketpair(AF_UNIX, SOCK_DGRAM, 0, peer));
	say(a, "one");
	say(b, "two");
	say(a, "three");
	say(self, "to myself");
	say(x, "to the abstract one");
	say(peer[0], "to the other");
	ready();
	await_check();
	says(r, "one", "first");
	says(r, "two", "second");
	says(r, "three", "third");
	nothing(r, "receiver");
	called(r, to, "receiver");
	says(self, "to myself", "self");
	nothing(self, "self");
	says(abs, "to the abstract one", "abstract");
	says(peer[1], "to the other", "pair");
	talk(peer[0], peer[1], "pair");
	CHECK(send(a, "more", 4, 0) == 4, "a: %s", strerror(errno));
	says(r, "more", "from a");
	CHECK(send(b, "again", 5, 0) == 5, "b: %s", strerror(errno));
	says(r, "again", "from b");
	CHECK(send(self, "self", 4, 0) == 4, "self: %s", strerror(errno));
	says(self, "self", "self");
	CHECK(!join(c, to) && send(c, "new", 3, 0) == 3, "c: %s", strerror(errno));
	says(r, "new", "from c");
}

/* What waits tells who sent it. */
static void senders(void)
{
	char to[256], from[256];
	struct sockaddr_un a;
	socklen_t n = sizeof(a);
	int r, b, s;

	strcpy(to, full("to"));
	strcpy(from, full("from"));
	b = client(SOCK_DGRAM, (r = bound(SOCK_DGRAM, to), to));
	s = bound(SOCK_DGRAM, from);
	MUST(!join(s, to));
	say(s, "answer me");
	ready();
	await_check();
	CHECK(recvfrom(r, text, 100, MSG_DONTWAIT, (void *)&a, &n) == 9 && !strcmp(a.sun_path, from), "from %.*s", (int)n - 2, a.sun_path);
	CHECK(sendto(r, "here", 4, 0, (void *)&a, n) == 4, "sendto: %s", strerror(errno));
	says(s, "here", "answer");
	say(b, "b");
	says(r, "b", "from b");
}

/* Two of them, of which a restore could only keep one. */
static void two_senders(void)
{
	char to[256], from[256];
	int r, a, b;

	strcpy(to, full("to"));
	strcpy(from, full("from"));
	r = bound(SOCK_DGRAM, to);
	a = bound(SOCK_DGRAM, from);
	MUST(!join(a, to));
	b = client(SOCK_DGRAM, to);
	say(a, "named");
	say(b, "nameless");
	ready();
	await_check();
	says(r, "named", "first");
	says(r, "nameless", "second");
}

/* The receiver has connected to a third since. */
static void chain(void)
{
	char to[256], third[256];
	int r, a;

	strcpy(to, full("to"));
	strcpy(third, full("third"));
	r = bound(SOCK_DGRAM, to);
	a = client(SOCK_DGRAM, to);
	bound(SOCK_DGRAM, third);
	MUST(!join(r, third));
	ready();
	await_check();
	CHECK(send(a, "x", 1, 0) < 0 && errno == EPERM, "send: %s", strerror(errno));
}

/* Sockets with nobody at the other end. */
static void alone(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	char path[3][256], file[8];
	int free_[3], named[3], shut[3], c = -1;

	for (int i = 0; i < 3; i++) {
		snprintf(file, sizeof(file), "%d", i);
		strcpy(path[i], full(file));
		MUST((free_[i] = socket(AF_UNIX, types[i] | SOCK_NONBLOCK, 0)) >= 0);
		named[i] = bound(types[i], path[i]);
		MUST((shut[i] = socket(AF_UNIX, types[i], 0)) >= 0 && !shutdown(shut[i], SHUT_WR));
	}
	say(client(SOCK_DGRAM, path[1]), "from one that closed");
	ready();
	await_check();
	for (int i = 0; i < 3; i++) {
		CHECK(fcntl(free_[i], F_GETFL) == (O_RDWR | O_NONBLOCK), "flags");
		called(named[i], path[i], "named");
		CHECK(send(shut[i], "x", 1, MSG_NOSIGNAL) < 0, "shut down: sent");
	}
	says(named[1], "from one that closed", "datagram");
	CHECK(!listen(named[0], 3) && !join(free_[0], path[0]) && (c = accept(named[0], 0, 0)) >= 0, "connect: %s", strerror(errno));
	talk(free_[0], c, "stream");
	CHECK(!join(free_[1], path[1]) && send(free_[1], "hi", 2, 0) == 2, "datagram: %s", strerror(errno));
	says(named[1], "hi", "datagram");
}

/* Names that are gone, or somebody else's now. */
static void deleted(void)
{
	char gone[256], again[256], dir[256];
	int l, c, s, r, a, old, new, in;

	strcpy(gone, full("gone"));
	strcpy(again, full("again"));
	MUST(!mkdir("dir", 0755));
	strcpy(dir, full("dir/socket"));
	l = listener(SOCK_STREAM, gone, 5);
	c = client(SOCK_STREAM, gone);
	MUST((s = accept(l, 0, 0)) >= 0 && !unlink(gone));
	r = bound(SOCK_DGRAM, full("r"));
	a = client(SOCK_DGRAM, full("r"));
	MUST(!unlink("r"));
	say(a, "still here");
	old = listener(SOCK_STREAM, again, 5);
	MUST(!unlink(again));
	new = listener(SOCK_STREAM, again, 5);
	in = bound(SOCK_DGRAM, dir);
	MUST(!unlink(dir) && !rmdir("dir"));
	ready();
	await_check();
	called(l, gone, "listener");
	talk(c, s, "connection");
	CHECK(access(gone, F_OK) < 0 && access("r", F_OK) < 0 && access("dir", F_OK) < 0, "deleted names are there");
	says(r, "still here", "datagram");
	CHECK(send(a, "more", 4, 0) == 4, "send: %s", strerror(errno));
	says(r, "more", "datagram");
	called(old, again, "old");
	called(new, again, "new");
	called(in, dir, "in a deleted directory");
	meet(new, again, SOCK_STREAM, "new");
	MUST(!fcntl(old, F_SETFL, O_NONBLOCK));
	CHECK(accept(old, 0, 0) < 0 && errno == EAGAIN, "old got a connection");
}

static void renamed(void)
{
	int l = listener(SOCK_STREAM, full("before"), 5);

	MUST(!rename("before", "after"));
	ready();
	await_check();
	meet(l, full("after"), SOCK_STREAM, "renamed");
}

/* Halves that are closed. */
static void halves(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };
	int rd[3][2], wr[3][2], both[3][2];

	for (int i = 0; i < 3; i++) {
		MUST(!socketpair(AF_UNIX, types[i], 0, rd[i]) && !socketpair(AF_UNIX, types[i], 0, wr[i]) && !socketpair(AF_UNIX, types[i], 0, both[i]));
		say(wr[i][0], "before");
		MUST(!shutdown(rd[i][0], SHUT_RD) && !shutdown(wr[i][0], SHUT_WR) && !shutdown(both[i][0], SHUT_RDWR));
	}
	ready();
	await_check();
	for (int i = 0; i < 3; i++) {
		CHECK(send(rd[i][1], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "%d: sent to who does not read", i);
		CHECK(send(rd[i][0], "out", 3, MSG_NOSIGNAL) == 3, "%d: send: %s", i, strerror(errno));
		says(rd[i][1], "out", "the open half");
		says(wr[i][1], "before", "before the shutdown");
		CHECK(send(wr[i][0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "%d: sent after SHUT_WR", i);
		CHECK(send(wr[i][1], "in", 2, MSG_NOSIGNAL) == 2, "%d: send: %s", i, strerror(errno));
		says(wr[i][0], "in", "the open half");
		CHECK(send(both[i][0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "%d: sent after SHUT_RDWR", i);
		if (types[i] == SOCK_DGRAM)
			continue;
		CHECK(recv(both[i][0], text, 1, MSG_DONTWAIT) == 0, "%d: received after SHUT_RDWR", i);
		CHECK(recv(wr[i][1], text, 1, MSG_DONTWAIT) == 0 && recv(both[i][1], text, 1, MSG_DONTWAIT) == 0, "%d: no end of file", i);
	}
}

/* Between processes: a server, and a child that is its client. */
static void family(void)
{
	char path[256];
	int l, c, s, d, p[2], status;
	pid_t child;

	strcpy(path, full("server"));
	l = listener(SOCK_STREAM, path, 5);
	d = bound(SOCK_DGRAM, full("log"));
	MUST(!pipe(p));
	child = fork();
	MUST(child >= 0);
	if (!child) {
		close(l);
		close(d);
		c = client(SOCK_STREAM, path);
		s = client(SOCK_DGRAM, full("log"));
		say(s, "logged");
		MUST(write(p[1], "x", 1) == 1);
		await_check();
		CHECK(write(c, "ping", 4) == 4 && read(c, text, 4) == 4 && !memcmp(text, "pong", 4), "answer: %s", strerror(errno));
		CHECK(send(s, "again", 5, 0) == 5, "send: %s", strerror(errno));
		_exit(target_failed);
	}
	MUST(read(p[0], text, 1) == 1);
	ready();
	await_check();
	CHECK((s = accept(l, 0, 0)) >= 0 && read(s, text, 4) == 4 && !memcmp(text, "ping", 4), "the child: %s", strerror(errno));
	CHECK(write(s, "pong", 4) == 4, "answer: %s", strerror(errno));
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child's status %#x", status);
	says(d, "logged", "log");
	says(d, "again", "log");
}

/* Options with a number each, and what they are set to. */
static const struct { int name, value; const char *what; } numbers[] = {
	{ SO_SNDBUF, 54321, "SO_SNDBUF" }, { SO_RCVBUF, 65432, "SO_RCVBUF" }, { SO_PRIORITY, 5, "SO_PRIORITY" }, { SO_MARK, 77, "SO_MARK" },
	{ SO_RCVLOWAT, 3, "SO_RCVLOWAT" }, { SO_PASSCRED, 1, "SO_PASSCRED" }, { SO_DONTROUTE, 1, "SO_DONTROUTE" }, { SO_NO_CHECK, 1, "SO_NO_CHECK" },
	{ SO_BROADCAST, 1, "SO_BROADCAST" }, { SO_OOBINLINE, 1, "SO_OOBINLINE" }, { SO_KEEPALIVE, 1, "SO_KEEPALIVE" }, { SO_BUF_LOCK, 1, "SO_BUF_LOCK" },
};

enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static void option_values(int fd, int *values)
{
	for (int i = 0; i < NUMBERS; i++) {
		socklen_t n = sizeof(int);

		CHECK(!getsockopt(fd, SOL_SOCKET, numbers[i].name, &values[i], &n), "%s: %s", numbers[i].what, strerror(errno));
	}
}

static void options(void)
{
	/* Takes messages that begin with an x only. */
	struct sock_filter code[] = {
		{ BPF_LD | BPF_B | BPF_ABS, 0, 0, 0 }, { BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 'x' },
		{ BPF_RET | BPF_K, 0, 0, 0xffffffff }, { BPF_RET | BPF_K, 0, 0, 0 },
	}, have[8];
	struct sock_fprog prog = { 4, code };
	struct timeval send_ = { 3, 400000 }, recv_ = { 5, 600000 }, tv;
	struct linger linger = { 1, 9 }, l;
	int plain[2], a[2], before[2][NUMBERS], after[2][NUMBERS];
	char device[16] = "";
	socklen_t n;

	MUST(!socketpair(AF_UNIX, SOCK_DGRAM, 0, plain) && !socketpair(AF_UNIX, SOCK_DGRAM, 0, a));
	for (int i = 0; i < NUMBERS; i++)
		MUST(!setsockopt(a[0], SOL_SOCKET, numbers[i].name, &numbers[i].value, sizeof(int)));
	MUST(!setsockopt(a[0], SOL_SOCKET, SO_SNDTIMEO, &send_, sizeof(send_)) && !setsockopt(a[0], SOL_SOCKET, SO_RCVTIMEO, &recv_, sizeof(recv_)));
	MUST(!setsockopt(a[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) && !setsockopt(a[0], SOL_SOCKET, SO_BINDTODEVICE, "lo", 2));
	say(a[0], "before the filter");
	MUST(!setsockopt(a[1], SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
	option_values(a[0], before[0]);
	option_values(plain[0], before[1]);
	ready();
	await_check();
	option_values(a[0], after[0]);
	option_values(plain[0], after[1]);
	for (int i = 0; i < NUMBERS; i++)
		for (int j = 0; j < 2; j++)
			CHECK(after[j][i] == before[j][i], "%s is %d, was %d", numbers[i].what, after[j][i], before[j][i]);
	n = sizeof(tv);
	CHECK(!getsockopt(a[0], SOL_SOCKET, SO_SNDTIMEO, &tv, &n) && tv.tv_sec == 3 && tv.tv_usec == 400000, "SO_SNDTIMEO");
	CHECK(!getsockopt(a[0], SOL_SOCKET, SO_RCVTIMEO, &tv, &n) && tv.tv_sec == 5 && tv.tv_usec == 600000, "SO_RCVTIMEO");
	n = sizeof(l);
	CHECK(!getsockopt(a[0], SOL_SOCKET, SO_LINGER, &l, &n) && l.l_onoff && l.l_linger == 9, "SO_LINGER");
	n = sizeof(device);
	CHECK(!getsockopt(a[0], SOL_SOCKET, SO_BINDTODEVICE, device, &n) && !strcmp(device, "lo"), "SO_BINDTODEVICE");
	n = 8; /* instructions */
	CHECK(!getsockopt(a[1], SOL_SOCKET, SO_GET_FILTER, have, &n) && n == 4 && !memcmp(have, code, sizeof(code)), "SO_GET_FILTER");
	says(a[1], "before the filter", "queue");
	CHECK(send(a[0], "x1", 2, 0) == 2 && send(a[0], "y", 1, MSG_DONTWAIT) <= 1 && send(a[0], "x2", 2, 0) == 2, "send: %s", strerror(errno));
	says(a[1], "x1", "filter");
	says(a[1], "x2", "filter");
	nothing(a[1], "filter");
}

/* Connected to the test, at ../outside: a stream as descriptor 3, datagrams as 4. */
static void outside_stream(void)
{
	int c = client(SOCK_STREAM, "../outside");

	MUST(c == 3);
	ready();
	await_check();
	CHECK(send(c, "ping", 4, MSG_NOSIGNAL) == 4 && recv(c, text, 4, 0) == 4 && !memcmp(text, "pong", 4), "the outside: %s", strerror(errno));
}

static void outside_dgram(void)
{
	char path[256], cwd[200];
	int c, own;

	MUST(getcwd(cwd, sizeof(cwd)));
	*strrchr(cwd, '/') = 0;
	snprintf(path, sizeof(path), "%s/outside", cwd);
	c = client(SOCK_DGRAM, path);
	own = bound(SOCK_DGRAM, full("own"));
	MUST(!join(own, path));
	ready();
	await_check();
	CHECK(send(c, "from c", 6, 0) == 6, "send: %s", strerror(errno));
	CHECK(send(own, "ping", 4, 0) == 4 && recv(own, text, 4, 0) == 4 && !memcmp(text, "pong", 4), "the outside: %s", strerror(errno));
}

/* A listener whose clients are others. */
static void server(void)
{
	int l = listener(SOCK_STREAM, full("server"), 5), s;

	ready();
	await_check();
	MUST(!fcntl(l, F_SETFL, O_NONBLOCK));
	while ((s = accept(l, 0, 0)) >= 0) /* a connection from outside */
		close(s);
	meet(l, full("server"), SOCK_STREAM, "server");
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(void); } parts[] = {
		{ "stream", stream }, { "seqpacket", seqpacket }, { "abstract", abstract }, { "relative", relative }, { "waiting", waiting },
		{ "waiting, abstract", waiting_abstract }, { "waiting, deleted", waiting_deleted }, { "waiting, sent", waiting_sent },
		{ "waiting, closed", waiting_closed }, { "one way", oneway }, { "senders", senders }, { "two senders", two_senders },
		{ "chain", chain }, { "alone", alone }, { "deleted", deleted }, { "renamed", renamed }, { "halves", halves }, { "family", family },
		{ "outside stream", outside_stream }, { "outside datagrams", outside_dgram }, { "server", server }, { "options", options },
	};

	signal(SIGPIPE, SIG_IGN);
	umask(022);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (argc > 1 && !strcmp(argv[1], parts[i].name)) {
			parts[i].run();
			return verdict();
		}
	MUST(!"a part's name");
}
