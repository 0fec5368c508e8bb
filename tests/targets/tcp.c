/* SPDX-License-Identifier: Apache-2.0 */
/* TCP connections, between sockets of the program or with a peer outside. The first argument names the part. */
#include "target.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { FAMILIES = 3 };
static const char *const locals[FAMILIES] = { "127.0.0.1", "::1", "::ffff:127.0.0.1" };

/* The bytes of a stream are told by their place. */
static char byte_at(size_t at)
{
	return (char)(at * 2654435761u >> 13);
}

static char text[1 << 20];

static const char *bytes(size_t from, size_t n)
{
	MUST(n <= sizeof(text));
	for (size_t i = 0; i < n; i++)
		text[i] = byte_at(from + i);
	return text;
}

struct stream {
	size_t sent, received;
};

struct pair {
	int fd[2];
	struct stream way[2]; /* [0]: from fd[0] to fd[1] */
};

static int socket_at(const char *words, struct sockaddr_in6 *a, socklen_t *n)
{
	struct sockaddr_in *v4 = (void *)a;
	int six = strchr(words, ':') != 0;

	memset(a, 0, sizeof(*a));
	*n = six ? sizeof(*a) : sizeof(*v4);
	if (six) {
		a->sin6_family = AF_INET6;
		MUST(inet_pton(AF_INET6, words, &a->sin6_addr) == 1);
	} else {
		v4->sin_family = AF_INET;
		MUST(inet_pton(AF_INET, words, &v4->sin_addr) == 1);
	}
	return socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
}

static int listener(const char *words, struct sockaddr_in6 *a, socklen_t *n)
{
	int fd = socket_at(words, a, n);

	MUST(fd >= 0 && !bind(fd, (void *)a, *n) && !listen(fd, 5) && !getsockname(fd, (void *)a, n));
	return fd;
}

static struct pair connected(const char *words)
{
	struct pair p = { .fd = { -1, -1 } };
	struct sockaddr_in6 a, unused;
	socklen_t n, m;
	int l = listener(words, &a, &n);

	p.fd[0] = socket_at(words, &unused, &m);
	MUST(!connect(p.fd[0], (void *)&a, n));
	p.fd[1] = accept(l, 0, 0);
	MUST(p.fd[1] >= 0);
	close(l);
	return p;
}

static void put(struct pair *p, int from, size_t n)
{
	MUST(send(p->fd[from], bytes(p->way[from].sent, n), n, 0) == (ssize_t)n);
	p->way[from].sent += n;
}

/* fill sends until nothing more goes in. */
static void fill(struct pair *p, int from)
{
	ssize_t n;

	while ((n = send(p->fd[from], bytes(p->way[from].sent, 10000), 10000, MSG_DONTWAIT)) > 0)
		p->way[from].sent += n;
	MUST(errno == EAGAIN);
}

/* drain reads what was sent, and compares. */
static void drain(struct pair *p, int from, const char *what)
{
	static char got[1 << 16];
	struct stream *s = &p->way[from];

	while (s->received < s->sent) {
		struct pollfd in = { .fd = p->fd[!from], .events = POLLIN };
		size_t most = s->sent - s->received < sizeof(got) ? s->sent - s->received : sizeof(got);
		ssize_t n = poll(&in, 1, 10000) == 1 ? recv(p->fd[!from], got, most, 0) : -1;

		CHECK(n > 0, "%s: %zd at %zu of %zu bytes: %s", what, n, s->received, s->sent, strerror(errno));
		if (n <= 0)
			return;
		if (memcmp(got, bytes(s->received, n), n)) {
			fail("%s: other bytes at %zu", what, s->received);
			return;
		}
		s->received += n;
	}
}

static void nothing(int fd, const char *what)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

	CHECK(n < 0 && errno == EAGAIN, "%s: %zd bytes too many", what, n);
}

static void ended(int fd, const char *what)
{
	struct pollfd in = { .fd = fd, .events = POLLIN };
	char c;
	ssize_t n = poll(&in, 1, 10000) == 1 ? recv(fd, &c, 1, 0) : -1;

	CHECK(n == 0, "%s: no end: %zd %s", what, n, strerror(errno));
}

/* goes_on has bytes go both ways, more than any buffer holds. */
static void goes_on(struct pair *p, const char *what)
{
	for (int i = 0; i < 40 && !target_failed; i++) {
		for (int from = 0; from < 2; from++) {
			put(p, from, 100000);
			drain(p, from, what);
		}
	}
}

/* forget closes both ends so that nothing of the connection stays with the kernel. */
static void forget(struct pair *p)
{
	struct linger now = { 1, 0 };

	for (int i = 0; i < 2; i++) {
		setsockopt(p->fd[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(p->fd[i]);
	}
}

static int option(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	MUST(!getsockopt(fd, level, name, &v, &n));
	return v;
}

static void set(int fd, int level, int name, int v)
{
	MUST(!setsockopt(fd, level, name, &v, sizeof(v)));
}

/*
 * part_queued: empty ones, ones with bytes that wait at either end and with options, and, of 3 kinds,
 * ones with bytes that are held back to be sent with others.
 */
static void part_queued(int kinds)
{
	struct pair p[FAMILIES * 3];
	struct tcp_info was[FAMILIES * 3], is;
	socklen_t n = sizeof(is);
	char what[60];
	int i;

	for (i = 0; i < FAMILIES * kinds; i++) {
		p[i] = connected(locals[i % FAMILIES]);
		if (i / FAMILIES == 1) {
			put(&p[i], 0, 10);
			put(&p[i], 1, 30000);
			set(p[i].fd[0], SOL_TCP, TCP_NODELAY, 1);
			set(p[i].fd[0], SOL_SOCKET, SO_KEEPALIVE, 1);
			set(p[i].fd[0], SOL_TCP, TCP_KEEPIDLE, 77);
			set(p[i].fd[1], SOL_SOCKET, SO_REUSEADDR, 1);
		}
		if (i / FAMILIES == 2) {
			put(&p[i], 1, 5);
			set(p[i].fd[0], SOL_TCP, TCP_CORK, 1);
			put(&p[i], 0, 20); /* waits in the send queue, for 200 ms */
		}
		MUST(!getsockopt(p[i].fd[0], SOL_TCP, TCP_INFO, &was[i], &n));
	}
	ready();
	await_check();
	for (i = 0; i < FAMILIES * kinds; i++) {
		snprintf(what, sizeof(what), "%s, %d", locals[i % FAMILIES], i / FAMILIES);
		MUST(!getsockopt(p[i].fd[0], SOL_TCP, TCP_INFO, &is, &n));
		CHECK(is.tcpi_options == was[i].tcpi_options && is.tcpi_snd_wscale == was[i].tcpi_snd_wscale && is.tcpi_rcv_wscale == was[i].tcpi_rcv_wscale,
		      "%s: options %x %d %d, were %x %d %d", what, is.tcpi_options, is.tcpi_snd_wscale, is.tcpi_rcv_wscale, was[i].tcpi_options,
		      was[i].tcpi_snd_wscale, was[i].tcpi_rcv_wscale);
		if (i / FAMILIES == 1) {
			CHECK(option(p[i].fd[0], SOL_TCP, TCP_NODELAY) == 1 && option(p[i].fd[0], SOL_TCP, TCP_KEEPIDLE) == 77, "%s: options", what);
			CHECK(option(p[i].fd[1], SOL_SOCKET, SO_REUSEADDR) == 1, "%s: SO_REUSEADDR", what);
		}
		if (i / FAMILIES == 2)
			set(p[i].fd[0], SOL_TCP, TCP_CORK, 0);
		CHECK(option(p[i].fd[0], SOL_SOCKET, SO_REUSEADDR) == 0, "%s: SO_REUSEADDR of the other", what);
		drain(&p[i], 0, what);
		drain(&p[i], 1, what);
		nothing(p[i].fd[0], what);
		nothing(p[i].fd[1], what);
		goes_on(&p[i], what);
		forget(&p[i]);
	}
}

/* part_full: so much was sent that the receiver has no room, one way and both ways. */
static void part_full(void)
{
	struct pair p[2 * FAMILIES];
	int i;

	for (i = 0; i < 2 * FAMILIES; i++) {
		p[i] = connected(locals[i % FAMILIES]);
		set(p[i].fd[1], SOL_SOCKET, SO_REUSEADDR, 1);
		fill(&p[i], 1);
		if (i >= FAMILIES)
			fill(&p[i], 0);
	}
	ready();
	await_check();
	for (i = 0; i < 2 * FAMILIES; i++) {
		CHECK(option(p[i].fd[1], SOL_SOCKET, SO_REUSEADDR) == 1, "SO_REUSEADDR");
		drain(&p[i], 1, locals[i % FAMILIES]);
		drain(&p[i], 0, locals[i % FAMILIES]);
		goes_on(&p[i], locals[i % FAMILIES]);
		forget(&p[i]);
	}
}

/* part_halves: one end is shut for writing, with and without bytes before that; both ends are; one for reading. */
static void part_halves(void)
{
	struct pair p[4 * FAMILIES];
	char what[60];
	int i;

	for (i = 0; i < 4 * FAMILIES; i++) {
		p[i] = connected(locals[i % FAMILIES]);
		switch (i / FAMILIES) {
		case 1:
			put(&p[i], 0, 1000);
			put(&p[i], 1, 2000);
			/* fall through */
		case 0:
			MUST(!shutdown(p[i].fd[0], SHUT_WR));
			break;
		case 2:
			put(&p[i], 0, 1000);
			MUST(!shutdown(p[i].fd[0], SHUT_WR));
			pause_ms(20);
			MUST(!shutdown(p[i].fd[1], SHUT_WR));
			break;
		case 3:
			MUST(!shutdown(p[i].fd[0], SHUT_RD));
		}
	}
	pause_ms(300); /* the FINs are acknowledged */
	ready();
	await_check();
	for (i = 0; i < 4 * FAMILIES; i++) {
		snprintf(what, sizeof(what), "%s, %d", locals[i % FAMILIES], i / FAMILIES);
		if (i / FAMILIES == 3) {
			ended(p[i].fd[0], what);
			put(&p[i], 0, 10);
			drain(&p[i], 0, what);
			forget(&p[i]);
			continue;
		}
		drain(&p[i], 0, what);
		ended(p[i].fd[1], what);
		CHECK(send(p[i].fd[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "%s: not shut", what);
		if (i / FAMILIES < 2) {
			drain(&p[i], 1, what);
			nothing(p[i].fd[0], what);
			put(&p[i], 1, 50000);
			drain(&p[i], 1, what);
			MUST(!shutdown(p[i].fd[1], SHUT_WR));
		}
		ended(p[i].fd[0], what);
		forget(&p[i]);
	}
}

/* deaf has a socket see no packet any more; hear undoes that. */
static void deaf(int fd)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = { 1, &none };

	MUST(!setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
}

static void hear(int fd)
{
	int unused = 0;

	CHECK(!setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)), "the filter is gone: %s", strerror(errno));
}

static int state(int fd)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	MUST(!getsockopt(fd, SOL_TCP, TCP_INFO, &info, &n));
	return info.tcpi_state;
}

static void reaches(int fd, int want, const char *what)
{
	for (int i = 0; state(fd) != want && i < 100; i++)
		pause_ms(10);
	if (state(fd) != want)
		fail("%s: state %d instead of %d", what, state(fd), want);
}

/*
 * part_closing: connections that were caught while they end, because an end that hears
 * nothing does not answer. They end once it hears again.
 */
static void part_closing(void)
{
	static const struct {
		const char *name;
		int a, b; /* states of the ends */
	} cases[] = {
		{ "FIN_WAIT1", TCP_FIN_WAIT1, TCP_ESTABLISHED },
		{ "CLOSING", TCP_CLOSING, TCP_FIN_WAIT1 },
		{ "LAST_ACK", TCP_FIN_WAIT2, TCP_LAST_ACK },
	};
	struct pair p[3 * FAMILIES];
	char what[60];
	int i;

	for (i = 0; i < 3 * FAMILIES; i++) {
		p[i] = connected(locals[i % FAMILIES]);
		put(&p[i], 0, 100);
		put(&p[i], 1, 200);
		pause_ms(5);
		switch (i / FAMILIES) {
		case 1:
			deaf(p[i].fd[1]);
			MUST(!shutdown(p[i].fd[0], SHUT_WR) && !shutdown(p[i].fd[1], SHUT_WR));
			break;
		case 0:
			deaf(p[i].fd[1]);
			put(&p[i], 0, 3000); /* not acknowledged, and a FIN behind it */
			MUST(!shutdown(p[i].fd[0], SHUT_WR));
			break;
		case 2:
			MUST(!shutdown(p[i].fd[0], SHUT_WR));
			reaches(p[i].fd[1], TCP_CLOSE_WAIT, "set-up");
			reaches(p[i].fd[0], TCP_FIN_WAIT2, "set-up");
			deaf(p[i].fd[0]);
			MUST(!shutdown(p[i].fd[1], SHUT_WR));
		}
		reaches(p[i].fd[0], cases[i / FAMILIES].a, "set-up");
		reaches(p[i].fd[1], cases[i / FAMILIES].b, "set-up");
	}
	MUST(!target_failed);
	ready();
	await_check();
	for (i = 0; i < 3 * FAMILIES; i++) {
		snprintf(what, sizeof(what), "%s, %s", locals[i % FAMILIES], cases[i / FAMILIES].name);
		CHECK(state(p[i].fd[0]) == cases[i / FAMILIES].a && state(p[i].fd[1]) == cases[i / FAMILIES].b, "%s: states %d and %d", what,
		      state(p[i].fd[0]), state(p[i].fd[1]));
		hear(p[i].fd[i / FAMILIES != 2]);
	}
	for (i = 0; i < 3 * FAMILIES; i++) {
		snprintf(what, sizeof(what), "%s, %s", locals[i % FAMILIES], cases[i / FAMILIES].name);
		drain(&p[i], 0, what);
		ended(p[i].fd[1], what);
		drain(&p[i], 1, what);
		if (i / FAMILIES == 0) {
			put(&p[i], 1, 30);
			drain(&p[i], 1, what);
			MUST(!shutdown(p[i].fd[1], SHUT_WR));
		}
		ended(p[i].fd[0], what);
		forget(&p[i]);
	}
}

/* part_calling: connections that are not made yet, because who calls does not hear the answer. */
static void part_calling(void)
{
	int l[FAMILIES], c[FAMILIES], i;
	struct sockaddr_in6 a, unused;
	socklen_t n, m;

	for (i = 0; i < FAMILIES; i++) {
		l[i] = listener(locals[i], &a, &n);
		c[i] = socket_at(locals[i], &unused, &m);
		deaf(c[i]);
		MUST(!fcntl(c[i], F_SETFL, O_NONBLOCK));
		MUST(connect(c[i], (void *)&a, n) < 0 && errno == EINPROGRESS && state(c[i]) == TCP_SYN_SENT);
	}
	ready();
	await_check();
	for (i = 0; i < FAMILIES; i++) {
		struct pair p = { .fd = { c[i], -1 } };
		struct pollfd in = { .fd = l[i], .events = POLLIN };

		CHECK(state(c[i]) == TCP_SYN_SENT, "%s: state %d", locals[i], state(c[i]));
		hear(c[i]);
		CHECK(poll(&in, 1, 20000) == 1, "%s: nobody calls", locals[i]);
		p.fd[1] = accept4(l[i], 0, 0, SOCK_NONBLOCK);
		CHECK(p.fd[1] >= 0, "%s: accept: %s", locals[i], strerror(errno));
		fcntl(c[i], F_SETFL, 0);
		fcntl(p.fd[1], F_SETFL, 0);
		if (p.fd[1] >= 0)
			goes_on(&p, locals[i]);
		forget(&p);
	}
}

/* part_closed: dumped with --tcp-close, the sockets are there and their connections are not. */
static void part_closed(void)
{
	struct pair p = connected(locals[0]), h = connected(locals[1]);
	struct sockaddr_in6 a;
	socklen_t n;
	int l = listener(locals[0], &a, &n);
	char c;

	put(&p, 0, 10);
	MUST(!shutdown(h.fd[0], SHUT_WR));
	set(p.fd[0], SOL_TCP, TCP_NODELAY, 1);
	ready();
	await_check();
	close(l);
	if (checked_live()) {
		goes_on(&p, "closed, but alive");
		return;
	}
	for (int i = 0; i < 2; i++) {
		CHECK(recv(p.fd[i], &c, 1, MSG_DONTWAIT) == 0, "end %d reads: %s", i, strerror(errno));
		CHECK(send(p.fd[i], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "end %d writes: %s", i, strerror(errno));
		CHECK(state(p.fd[i]) == TCP_CLOSE && state(h.fd[i]) == TCP_CLOSE, "states %d %d", state(p.fd[i]), state(h.fd[i]));
	}
	CHECK(option(p.fd[0], SOL_TCP, TCP_NODELAY) == 1, "TCP_NODELAY");
}

/* part_urgent has a byte of urgent data waiting. */
static void part_urgent(void)
{
	struct pair p = connected(locals[0]);
	char c = 0;

	put(&p, 0, 10);
	MUST(send(p.fd[0], "!", 1, MSG_OOB) == 1);
	pause_ms(50);
	ready();
	await_check();
	drain(&p, 0, "urgent");
	CHECK(recv(p.fd[1], &c, 1, MSG_OOB) == 1 && c == '!', "no urgent byte");
}

/* part_server answers a peer outside with what it says. Its port is in the file "port". */
static void part_server(const char *words)
{
	struct sockaddr_in6 a;
	socklen_t n;
	int l = listener(words, &a, &n), c, out = open("port", O_WRONLY | O_CREAT | O_TRUNC, 0666);
	size_t echoed = 0;

	dprintf(out, "%d", ntohs(a.sin6_port)); /* at the same place in both */
	close(out);
	ready();
	c = accept(l, 0, 0);
	CHECK(c >= 0, "accept: %s", strerror(errno));
	while (!checking()) {
		struct pollfd in = { .fd = c, .events = POLLIN };
		ssize_t got = poll(&in, 1, 10) == 1 ? recv(c, text, sizeof(text), 0) : -1;

		for (ssize_t at = 0; at < got;) {
			ssize_t put = send(c, text + at, got - at, MSG_NOSIGNAL);

			CHECK(put > 0 || errno == EINTR, "send: %s", strerror(errno));
			if (put <= 0 && errno != EINTR)
				return;
			at += put > 0 ? put : 0;
			echoed += put > 0 ? put : 0;
		}
		if (got == 0)
			break;
	}
	CHECK(echoed > 0, "nobody said anything");
}

int main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(part, "queued"))
		part_queued(2);
	else if (!strcmp(part, "corked"))
		part_queued(3);
	else if (!strcmp(part, "full"))
		part_full();
	else if (!strcmp(part, "halves"))
		part_halves();
	else if (!strcmp(part, "closing"))
		part_closing();
	else if (!strcmp(part, "calling"))
		part_calling();
	else if (!strcmp(part, "closed"))
		part_closed();
	else if (!strcmp(part, "urgent"))
		part_urgent();
	else if (!strcmp(part, "server"))
		part_server(argv[2]);
	else
		MUST(!"no such part");
	return verdict();
}
