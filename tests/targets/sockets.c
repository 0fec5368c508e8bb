/* SPDX-License-Identifier: Apache-2.0 */
/* Unix socket pairs with bytes in both directions. The first argument names the part. */
#include "target.h"
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

static char big[200000], text[300000];

static void gets_(int fd, const char *want, size_t len, const char *what)
{
	ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	CHECK(n == (ssize_t)len && !memcmp(text, want, len), "%s: %zd bytes, not %zu", what, n, len);
}

static void nothing(int fd, const char *what)
{
	ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	CHECK(n < 0 && errno == EAGAIN, "%s: %zd bytes more", what, n);
}

static void stream(void)
{
	int a[2], full[2], closed[2], shut[2], n = 0, m;
	size_t all = 0;

	MUST(!socketpair(AF_UNIX, SOCK_STREAM, 0, a) && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, full));
	MUST(!socketpair(AF_UNIX, SOCK_STREAM, 0, closed) && !socketpair(AF_UNIX, SOCK_STREAM, 0, shut));
	MUST(write(a[0], "to b", 4) == 4 && write(a[0], " and more", 9) == 9 && write(a[1], "to a", 4) == 4);
	while ((m = write(full[0], big + all % 100000, 5000)) > 0)
		all += m;
	MUST(write(closed[0], "last words", 10) == 10);
	close(closed[0]);
	MUST(write(shut[0], "then silence", 12) == 12 && !shutdown(shut[0], SHUT_WR));
	ready();
	await_check();
	CHECK(fcntl(full[0], F_GETFD) == FD_CLOEXEC && fcntl(full[1], F_GETFL) == (O_RDWR | O_NONBLOCK) && fcntl(a[0], F_GETFL) == O_RDWR, "flags");
	gets_(a[1], "to b and more", 13, "stream");
	gets_(a[0], "to a", 4, "stream, the other way");
	nothing(a[0], "stream");
	CHECK(write(a[1], "again", 5) == 5, "write: %s", strerror(errno));
	gets_(a[0], "again", 5, "stream");
	for (size_t at = 0; at < all; at += m) {
		m = recv(full[1], text, 5000, MSG_WAITALL);
		if (m != 5000 || memcmp(text, big + at % 100000, 5000)) {
			fail("full stream: %d bytes at %zu", m, at);
			break;
		}
	}
	nothing(full[1], "full stream");
	gets_(closed[1], "last words", 10, "stream whose peer closed");
	CHECK(recv(closed[1], text, 1, 0) == 0, "no end of file");
	signal(SIGPIPE, SIG_IGN);
	CHECK(write(closed[1], "x", 1) < 0 && errno == EPIPE, "no EPIPE");
	gets_(shut[1], "then silence", 12, "stream that was shut down");
	CHECK(recv(shut[1], text, 1, 0) == 0, "no end of file after shutdown");
	CHECK(write(shut[0], "x", 1) < 0 && errno == EPIPE, "shut down for writing");
	CHECK(write(shut[1], "back", 4) == 4, "write: %s", strerror(errno));
	gets_(shut[0], "back", 4, "the other half");
	(void)n;
}

static void messages(int type)
{
	static const size_t sizes[] = { 1, 1000, 2, 60000, 3 };
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	int a[2];

	MUST(!socketpair(AF_UNIX, type, 0, a));
	for (int i = 0; i < N; i++)
		MUST(send(a[0], big + i, sizes[i], 0) == (ssize_t)sizes[i] && send(a[1], big + 50 + i, sizes[N - 1 - i], 0) > 0);
	ready();
	await_check();
	for (int i = 0; i < N; i++) {
		gets_(a[1], big + i, sizes[i], "message");
		gets_(a[0], big + 50 + i, sizes[N - 1 - i], "message, the other way");
	}
	nothing(a[0], "messages");
	nothing(a[1], "messages");
	CHECK(send(a[0], "new", 3, 0) == 3, "send: %s", strerror(errno));
	gets_(a[1], "new", 3, "new message");
}

static void dgram(void) { messages(SOCK_DGRAM); }
static void seqpacket(void) { messages(SOCK_SEQPACKET); }

/* An empty message is one, too. */
static void empty(void)
{
	int a[2];

	MUST(!socketpair(AF_UNIX, SOCK_DGRAM, 0, a) && !send(a[0], "", 0, 0) && send(a[0], "x", 1, 0) == 1);
	ready();
	await_check();
	gets_(a[1], "", 0, "empty message");
	gets_(a[1], "x", 1, "message after it");
}

static int option(int fd, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	CHECK(getsockopt(fd, SOL_SOCKET, name, &v, &n) == 0, "option %d: %s", name, strerror(errno));
	return v;
}

static void options(void)
{
	struct timeval t = { 12, 340000 }, have;
	int a[2], on = 1, bytes = 54321, snd, rcv, status, p[2];
	socklen_t n = sizeof(have);
	pid_t child;

	MUST(!socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	MUST(!setsockopt(a[0], SOL_SOCKET, SO_SNDBUF, &bytes, 4) && !setsockopt(a[0], SOL_SOCKET, SO_RCVBUF, &bytes, 4));
	MUST(!setsockopt(a[1], SOL_SOCKET, SO_PASSCRED, &on, 4) && !pipe(p) && !setsockopt(a[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	snd = option(a[0], SO_SNDBUF), rcv = option(a[0], SO_RCVBUF);
	MUST(write(a[1], "for the child", 13) == 13);
	child = fork();
	MUST(child >= 0);
	if (!child) {
		close(a[1]);
		MUST(write(p[1], "x", 1) == 1);
		await_check();
		gets_(a[0], "for the child", 13, "the child's end");
		CHECK(write(a[0], "thanks", 6) == 6, "write: %s", strerror(errno));
		_exit(target_failed);
	}
	MUST(read(p[0], text, 1) == 1);
	ready();
	await_check();
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child's status %#x", status);
	gets_(a[1], "thanks", 6, "the child's answer");
	CHECK(option(a[0], SO_SNDBUF) == snd && option(a[0], SO_RCVBUF) == rcv, "buffers %d %d", option(a[0], SO_SNDBUF), option(a[0], SO_RCVBUF));
	CHECK(option(a[1], SO_PASSCRED) == 1 && option(a[0], SO_PASSCRED) == 0, "SO_PASSCRED");
	CHECK(getsockopt(a[0], SOL_SOCKET, SO_RCVTIMEO, &have, &n) == 0 && have.tv_sec == 12 && have.tv_usec == 340000, "SO_RCVTIMEO");
}

/* What travels beside the bytes. */
static void control(int rights)
{
	char space[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct cmsghdr *c;
	int a[2], on = 1;

	MUST(!socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	if (rights) {
		m.msg_control = space;
		m.msg_controllen = sizeof(space);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &a[0], sizeof(int));
	} else {
		MUST(!setsockopt(a[1], SOL_SOCKET, SO_PASSCRED, &on, 4));
	}
	MUST(sendmsg(a[0], &m, 0) == 1);
	ready();
	await_check();
	m.msg_control = space;
	m.msg_controllen = sizeof(space);
	v.iov_base = text;
	CHECK(recvmsg(a[1], &m, MSG_DONTWAIT) == 1 && CMSG_FIRSTHDR(&m), "the message");
}

static void rights(void) { control(1); }
static void credentials(void) { control(0); }

/* A datagram socket whose peer closed. */
static void closed(void)
{
	int a[2], b[2];

	MUST(!socketpair(AF_UNIX, SOCK_DGRAM, 0, a) && !socketpair(AF_UNIX, SOCK_SEQPACKET, 0, b));
	MUST(send(a[0], "one", 3, 0) == 3 && send(a[0], "two", 3, 0) == 3 && send(b[0], "one", 3, 0) == 3 && send(b[0], "two", 3, 0) == 3);
	close(a[0]);
	close(b[0]);
	ready();
	await_check();
	signal(SIGPIPE, SIG_IGN);
	gets_(a[1], "one", 3, "datagram");
	gets_(a[1], "two", 3, "datagram");
	nothing(a[1], "datagrams");
	CHECK(send(a[1], "x", 1, 0) < 0, "somebody is there");
	gets_(b[1], "one", 3, "packet");
	gets_(b[1], "two", 3, "packet");
	CHECK(recv(b[1], text, 10, MSG_DONTWAIT) == 0, "no end of file");
	CHECK(send(b[1], "x", 1, 0) < 0 && errno == EPIPE, "no EPIPE");
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(void); } parts[] = {
		{ "stream", stream }, { "dgram", dgram }, { "seqpacket", seqpacket }, { "empty", empty }, { "options", options }, { "closed", closed },
		{ "rights", rights }, { "credentials", credentials },
	};

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i * 2654435761u >> 11;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (argc > 1 && !strcmp(argv[1], parts[i].name)) {
			parts[i].run();
			return verdict();
		}
	MUST(!"a part's name");
}
