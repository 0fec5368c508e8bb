/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of the internet's protocols that have no connection. The first argument names the part. */
#include "target.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#ifndef IPV6_HDRINCL
#define IPV6_HDRINCL 36
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#define RAW_ICMP_FILTER 1 /* of SOL_RAW */
#define RAW_ICMPV6_FILTER 1 /* of SOL_ICMPV6 */

static char text[70000];

struct address {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t len;
};

/* at is the address words:port; with colons in it, it is one of IPv6. */
static struct address at(const char *words, int port)
{
	struct address a = { .len = sizeof(a.v4) };

	memset(&a.v6, 0, sizeof(a.v6));
	if (strchr(words, ':')) {
		a.len = sizeof(a.v6);
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons(port);
		MUST(inet_pton(AF_INET6, words, &a.v6.sin6_addr) == 1);
	} else {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons(port);
		MUST(inet_pton(AF_INET, words, &a.v4.sin_addr) == 1);
	}
	return a;
}

static struct address own(int fd)
{
	struct address a = { .len = sizeof(a.v6) };

	MUST(!getsockname(fd, &a.sa, &a.len));
	return a;
}

static void set(int fd, int level, int name, int value)
{
	MUST(!setsockopt(fd, level, name, &value, sizeof(value)));
}

static int bound(int type, int protocol, const char *words, int port)
{
	struct address a = at(words, port);
	int fd = socket(a.sa.sa_family, type, protocol);

	MUST(fd >= 0);
	if (type == SOCK_STREAM)
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	MUST(!bind(fd, &a.sa, a.len));
	return fd;
}

static int join(int fd, struct address to)
{
	return connect(fd, &to.sa, to.len);
}

static void says(int fd, const char *want, const char *what)
{
	ssize_t n;

	for (int i = 0; i < 200; i++) { /* softirqs may be late */
		n = recv(fd, text, sizeof(text), MSG_DONTWAIT);
		if (n >= 0 || errno != EAGAIN)
			break;
		pause_ms(5);
	}
	CHECK(n == (ssize_t)strlen(want) && !memcmp(text, want, n), "%s: %zd bytes, not \"%s\"", what, n, want);
}

static void talk(int a, int b, const char *what)
{
	CHECK(send(a, "ping", 4, MSG_NOSIGNAL) == 4, "%s: send: %s", what, strerror(errno));
	says(b, "ping", what);
}

/* --- every option of a socket, before and after --- */

static const struct option {
	int level, name;
	const char *text;
} options[] = {
#define OPTION(level, name) { level, name, #name }
	OPTION(SOL_SOCKET, SO_REUSEADDR), OPTION(SOL_SOCKET, SO_REUSEPORT), OPTION(SOL_SOCKET, SO_SNDBUF), OPTION(SOL_SOCKET, SO_RCVBUF),
	OPTION(SOL_SOCKET, SO_BUF_LOCK), OPTION(SOL_SOCKET, SO_PRIORITY), OPTION(SOL_SOCKET, SO_RCVLOWAT), OPTION(SOL_SOCKET, SO_MARK),
	OPTION(SOL_SOCKET, SO_DONTROUTE), OPTION(SOL_SOCKET, SO_NO_CHECK), OPTION(SOL_SOCKET, SO_BROADCAST), OPTION(SOL_SOCKET, SO_KEEPALIVE),
	OPTION(SOL_SOCKET, SO_OOBINLINE), OPTION(SOL_SOCKET, SO_LINGER), OPTION(SOL_SOCKET, SO_SNDTIMEO), OPTION(SOL_SOCKET, SO_RCVTIMEO),
	OPTION(SOL_SOCKET, SO_BINDTODEVICE), OPTION(SOL_SOCKET, SO_PROTOCOL), OPTION(SOL_SOCKET, SO_TYPE), OPTION(SOL_SOCKET, SO_ACCEPTCONN),
	OPTION(SOL_IP, IP_FREEBIND), OPTION(SOL_IP, IP_PKTINFO), OPTION(SOL_IP, IP_TOS), OPTION(SOL_IP, IP_TTL), OPTION(SOL_IP, IP_HDRINCL),
	OPTION(SOL_IP, IP_NODEFRAG), OPTION(SOL_IPV6, IPV6_V6ONLY), OPTION(SOL_IPV6, IPV6_RECVPKTINFO), OPTION(SOL_IPV6, IPV6_HDRINCL),
	OPTION(SOL_IPV6, IPV6_FREEBIND), OPTION(SOL_TCP, TCP_NODELAY), OPTION(SOL_TCP, TCP_CORK), OPTION(SOL_TCP, TCP_KEEPCNT),
	OPTION(SOL_TCP, TCP_KEEPIDLE), OPTION(SOL_TCP, TCP_KEEPINTVL), OPTION(SOL_RAW, RAW_ICMP_FILTER), OPTION(SOL_ICMPV6, RAW_ICMPV6_FILTER),
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

struct all {
	struct {
		int error;
		socklen_t len;
		char value[32];
	} of[OPTIONS];
	int flags;
	struct address name;
};

static struct all ask(int fd)
{
	struct all a;

	memset(&a, 0, sizeof(a));
	for (size_t i = 0; i < OPTIONS; i++) {
		a.of[i].len = sizeof(a.of[i].value);
		if (getsockopt(fd, options[i].level, options[i].name, a.of[i].value, &a.of[i].len))
			a.of[i].error = errno;
	}
	a.flags = fcntl(fd, F_GETFL);
	a.name = own(fd);
	return a;
}

static void compare(int fd, const struct all *was, const char *what)
{
	struct all is = ask(fd);

	for (size_t i = 0; i < OPTIONS; i++)
		CHECK(is.of[i].error == was->of[i].error && is.of[i].len == was->of[i].len && !memcmp(is.of[i].value, was->of[i].value, 32),
		      "%s: %s is %d (error %d), was %d (error %d)", what, options[i].text, *(int *)is.of[i].value, is.of[i].error,
		      *(int *)was->of[i].value, was->of[i].error);
	CHECK(is.flags == was->flags, "%s: flags %o, were %o", what, is.flags, was->flags);
	CHECK(is.name.len == was->name.len && !memcmp(&is.name.v6, &was->name.v6, is.name.len), "%s: has another name", what);
}

static void set_common(int fd)
{
	struct timeval two = { 2, 0 }, three = { 3, 500000 };
	struct linger linger = { 1, 7 };

	set(fd, SOL_SOCKET, SO_SNDBUF, 20000);
	set(fd, SOL_SOCKET, SO_RCVBUF, 30000);
	set(fd, SOL_SOCKET, SO_PRIORITY, 5);
	set(fd, SOL_SOCKET, SO_RCVLOWAT, 3);
	set(fd, SOL_SOCKET, SO_MARK, 0x77);
	set(fd, SOL_SOCKET, SO_DONTROUTE, 1);
	set(fd, SOL_SOCKET, SO_NO_CHECK, 1);
	set(fd, SOL_SOCKET, SO_BROADCAST, 1);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
	set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	MUST(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	MUST(!setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &two, sizeof(two)));
	MUST(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &three, sizeof(three)));
	MUST(!setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
}

static void set_ip(int fd, int v6)
{
	set(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_FREEBIND : IP_FREEBIND, 1);
	if (v6) {
		set(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
		return;
	}
	set(fd, SOL_IP, IP_PKTINFO, 1);
	set(fd, SOL_IP, IP_TOS, 0x10);
	set(fd, SOL_IP, IP_TTL, 33);
}

/* part_options has every kind of socket once as it is made and once with all options changed. */
static void part_options(void)
{
	static const struct {
		int family, type, protocol;
	} kinds[] = {
		{ AF_INET, SOCK_STREAM, 0 }, { AF_INET6, SOCK_STREAM, 0 }, { AF_INET, SOCK_DGRAM, 0 }, { AF_INET6, SOCK_DGRAM, 0 },
		{ AF_INET, SOCK_RAW, IPPROTO_ICMP }, { AF_INET6, SOCK_RAW, IPPROTO_ICMPV6 }, { AF_INET, SOCK_RAW, IPPROTO_UDP },
		{ AF_INET6, SOCK_RAW, 200 }, { AF_INET, SOCK_RAW, IPPROTO_RAW }, { AF_INET, SOCK_DGRAM, IPPROTO_ICMP },
		{ AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6 },
	};
	enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
	static struct all was[2 * KINDS];
	int fds[2 * KINDS];
	char what[40];

	for (int i = 0; i < 2 * KINDS; i++) {
		int k = i / 2, v6 = kinds[k].family == AF_INET6, raw = kinds[k].type == SOCK_RAW;

		fds[i] = socket(kinds[k].family, kinds[k].type, kinds[k].protocol);
		if (fds[i] < 0 && errno == EACCES)
			continue; /* ping_group_range */
		MUST(fds[i] >= 0);
		if (i % 2) {
			set_common(fds[i]);
			set_ip(fds[i], v6);
			MUST(fcntl(fds[i], F_SETFL, O_NONBLOCK) == 0);
			if (v6 && !raw)
				set(fds[i], SOL_IPV6, IPV6_V6ONLY, 1);
			if (raw && !v6)
				set(fds[i], SOL_IP, IP_NODEFRAG, 1);
			if (raw)
				set(fds[i], v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_HDRINCL : IP_HDRINCL, 1);
			if (raw && kinds[k].protocol == IPPROTO_ICMP)
				set(fds[i], SOL_RAW, RAW_ICMP_FILTER, 0x1234);
			if (raw && kinds[k].protocol == IPPROTO_ICMPV6) {
				unsigned filter[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

				MUST(!setsockopt(fds[i], SOL_ICMPV6, RAW_ICMPV6_FILTER, filter, sizeof(filter)));
			}
			if (kinds[k].type == SOCK_STREAM) {
				set(fds[i], SOL_TCP, TCP_NODELAY, 1);
				set(fds[i], SOL_TCP, TCP_CORK, 1);
				set(fds[i], SOL_TCP, TCP_KEEPCNT, 11);
				set(fds[i], SOL_TCP, TCP_KEEPIDLE, 222);
				set(fds[i], SOL_TCP, TCP_KEEPINTVL, 33);
			}
		}
		was[i] = ask(fds[i]);
	}
	ready();
	await_check();
	for (int i = 0; i < 2 * KINDS; i++) {
		if (fds[i] < 0)
			continue;
		snprintf(what, sizeof(what), "socket %d/%d/%d %s", kinds[i / 2].family, kinds[i / 2].type, kinds[i / 2].protocol, i % 2 ? "changed" : "plain");
		compare(fds[i], &was[i], what);
	}
}

/* part_filter: a classic program lets datagrams of more than 3 bytes pass. */
static void part_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 8 + 3, 0, 1), BPF_STMT(BPF_RET | BPF_K, 65535),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { 4, code };
	int to = bound(SOCK_DGRAM, 0, "127.0.0.1", 0), from = socket(AF_INET, SOCK_DGRAM, 0);

	MUST(!setsockopt(to, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) && !join(from, own(to)));
	ready();
	await_check();
	CHECK(send(from, "no", 2, 0) == 2, "send: %s", strerror(errno));
	talk(from, to, "filter");
}

static int hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && p.revents & POLLRDHUP;
}

static const char *const locals[] = { "127.0.0.1", "::1", "::ffff:127.0.0.1" };

/* part_datagrams: pairs of each protocol, connected one way, both ways, half shut. */
static void part_datagrams(int protocol)
{
	int to[3], from[3], a[3], b[3];
	struct address name[3];

	for (int i = 0; i < 3; i++) {
		to[i] = bound(SOCK_DGRAM, protocol, locals[i], 0);
		name[i] = own(to[i]);
		from[i] = socket(name[i].sa.sa_family, SOCK_DGRAM, protocol);
		MUST(from[i] >= 0 && !join(from[i], name[i]));
		a[i] = bound(SOCK_DGRAM, protocol, locals[i], 0);
		b[i] = bound(SOCK_DGRAM, protocol, locals[i], 0);
		MUST(!join(a[i], own(b[i])) && !join(b[i], own(a[i])) && !shutdown(a[i], SHUT_RD));
	}
	ready();
	await_check();
	for (int i = 0; i < 3; i++) {
		struct address is = own(to[i]), peer = { .len = sizeof(peer.v6) };

		CHECK(!memcmp(&is.v6, &name[i].v6, is.len), "%s: another name", locals[i]);
		CHECK(!getpeername(from[i], &peer.sa, &peer.len) && !memcmp(&peer.v6, &name[i].v6, peer.len), "%s: another peer", locals[i]);
		talk(from[i], to[i], locals[i]);
		talk(a[i], b[i], locals[i]);
		CHECK(hung_up(a[i]), "%s: not shut for reading", locals[i]);
	}
}

static void meet(int listener, struct address a, const char *what)
{
	int c = socket(a.sa.sa_family, SOCK_STREAM, 0), s;

	CHECK(!join(c, a), "%s: connect: %s", what, strerror(errno));
	s = accept(listener, 0, 0);
	CHECK(s >= 0, "%s: accept: %s", what, strerror(errno));
	talk(c, s, what);
	talk(s, c, what);
	close(c);
	close(s);
}

/* part_listeners: of both families, one of both at once, two of one port, one bound only, one shut. */
static void part_listeners(void)
{
	int l[5], only, never = socket(AF_INET, SOCK_STREAM, 0), shut = socket(AF_INET, SOCK_STREAM, 0), a, b;
	struct address name[5], two = at("127.0.0.1", 0);

	l[0] = bound(SOCK_STREAM, 0, "127.0.0.1", 0);
	l[1] = bound(SOCK_STREAM, 0, "::1", 0);
	l[2] = bound(SOCK_STREAM, 0, "::", 0);
	l[3] = bound(SOCK_STREAM, 0, "::ffff:127.0.0.1", 0);
	l[4] = bound(SOCK_STREAM, 0, "0.0.0.0", 0);
	for (int i = 0; i < 5; i++) {
		MUST(!listen(l[i], 5 + i));
		name[i] = own(l[i]);
	}
	only = bound(SOCK_STREAM, 0, "127.0.0.1", 0);
	shutdown(shut, SHUT_RDWR);
	a = socket(AF_INET, SOCK_STREAM, 0);
	b = socket(AF_INET, SOCK_STREAM, 0);
	set(a, SOL_SOCKET, SO_REUSEPORT, 1);
	set(b, SOL_SOCKET, SO_REUSEPORT, 1);
	MUST(!bind(a, &two.sa, two.len));
	two = own(a);
	MUST(!bind(b, &two.sa, two.len) && !listen(a, 1) && !listen(b, 1));
	ready();
	await_check();
	for (int i = 0; i < 5; i++)
		meet(l[i], name[i], "listener");
	name[2].v6.sin6_addr = at("::ffff:127.0.0.1", 0).v6.sin6_addr;
	meet(l[2], name[2], "4 in 6");
	CHECK(!listen(only, 3), "listen: %s", strerror(errno));
	meet(only, own(only), "bound only");
	CHECK(!join(never, name[0]), "connect: %s", strerror(errno));
	CHECK(read(shut, text, 1) == 0, "shut: does not read an end: %s", strerror(errno));
	close(a);
	meet(b, two, "second of a port");
}

static void part_group(void)
{
	struct ip_mreq group = { .imr_multiaddr.s_addr = inet_addr("239.1.2.3"), .imr_interface.s_addr = inet_addr("127.0.0.1") };
	int fd = bound(SOCK_DGRAM, 0, "0.0.0.0", 0);

	MUST(!setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)));
	ready();
	await_check();
}

static void part_corked(void)
{
	int to = bound(SOCK_DGRAM, 0, "127.0.0.1", 0), from = socket(AF_INET, SOCK_DGRAM, 0);

	MUST(!join(from, own(to)) && send(from, "half", 4, MSG_MORE) == 4);
	ready();
	await_check();
	CHECK(send(from, " done", 5, 0) == 5, "send: %s", strerror(errno));
	says(to, "half done", "corked");
}

/* part_outside: a client outside of the tree waits to be accepted. Its port is in the file "port". */
static void part_outside(void)
{
	int l = bound(SOCK_STREAM, 0, "127.0.0.1", 0), out = open("port", O_WRONLY | O_CREAT | O_TRUNC, 0666), c;
	struct address name = own(l);

	MUST(!listen(l, 5));
	dprintf(out, "%d", ntohs(name.v4.sin_port));
	close(out);
	ready();
	await_check();
	if (checked_live()) {
		c = accept(l, 0, 0);
		says(c, "hello", "who waited");
		close(c);
	}
	CHECK(!fcntl(l, F_SETFL, O_NONBLOCK) && accept(l, 0, 0) < 0 && errno == EAGAIN, "somebody waits");
	fcntl(l, F_SETFL, 0);
	meet(l, name, "who came later");
}

/* part_waiting has a client that nobody accepts. */
static void part_waiting(void)
{
	int l = bound(SOCK_STREAM, 0, "127.0.0.1", 0), c;

	MUST(!listen(l, 5));
	c = socket(AF_INET, SOCK_STREAM, 0);
	MUST(!join(c, own(l)));
	ready();
	await_check();
	c = accept(l, 0, 0);
	CHECK(c >= 0, "accept: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";

	if (!strcmp(part, "options"))
		part_options();
	else if (!strcmp(part, "filter"))
		part_filter();
	else if (!strcmp(part, "udp"))
		part_datagrams(IPPROTO_UDP);
	else if (!strcmp(part, "udplite"))
		part_datagrams(IPPROTO_UDPLITE);
	else if (!strcmp(part, "listeners"))
		part_listeners();
	else if (!strcmp(part, "group"))
		part_group();
	else if (!strcmp(part, "corked"))
		part_corked();
	else if (!strcmp(part, "outside"))
		part_outside();
	else if (!strcmp(part, "waiting"))
		part_waiting();
	else
		MUST(!"no such part");
	return verdict();
}
