/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files of several kinds, one after the other in turn. The first kind is regular
 * files, a different one each; check_files() finds out whether all are what they were.
 */
#ifndef FILES_H
#define FILES_H

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

static unsigned long fds, queued;

struct opened {
	const struct kind *kind;
	int fd[3];
	uint64_t note; /* what the kind wants to find again */
};

struct kind {
	const char *name;
	unsigned int fds; /* each takes so many descriptors */
	void (*open)(struct opened *o);
	int (*right)(struct opened *o);
	unsigned int most; /* so many of it, if not 0 */
};

static struct opened *opened;
static size_t n_opened, first_kind, kinds = 1;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int must(int fd, const char *what)
{
	if (fd < 0)
		die(what);
	return fd;
}

/* With queued=1 a byte waits in everything that can have one. */
static void fill(int to)
{
	if (queued && write(to, "q", 1) != 1)
		die("fill");
}

static int arrives(int at, char c)
{
	struct pollfd p = { .fd = at, .events = POLLIN };
	char got = 0;

	return poll(&p, 1, 1000) == 1 && read(at, &got, 1) == 1 && got == c;
}

/* What waits comes first, then what is sent now. */
static int passes(int to, int at)
{
	if (queued && !arrives(at, 'q'))
		return 0;
	if (write(to, "x", 1) != 1 || !arrives(at, 'x'))
		return 0;
	fill(to);
	return 1;
}

static void open_regular(struct opened *o)
{
	struct stat st;
	char name[32];

	snprintf(name, sizeof(name), "file-%05zu", n_opened);
	o->fd[0] = must(open(name, O_RDWR | O_CREAT, 0600), name);
	if (fstat(o->fd[0], &st) || lseek(o->fd[0], n_opened, SEEK_SET) < 0)
		die(name);
	o->note = st.st_ino;
}

static int right_regular(struct opened *o)
{
	struct stat st;

	return !fstat(o->fd[0], &st) && st.st_ino == o->note && lseek(o->fd[0], 0, SEEK_CUR) == o - opened;
}

static void open_pipe(struct opened *o)
{
	must(pipe2(o->fd, O_NONBLOCK), "pipe");
	fill(o->fd[1]);
}

static int right_pipe(struct opened *o) { return passes(o->fd[1], o->fd[0]); }

static void open_unix(struct opened *o)
{
	int type = n_opened / kinds % 2 ? SOCK_DGRAM : SOCK_STREAM;

	must(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, o->fd), "socketpair");
	o->note = type;
	fill(o->fd[0]);
}

static int right_unix(struct opened *o)
{
	int type = 0;
	socklen_t n = sizeof(type);

	return !getsockopt(o->fd[0], SOL_SOCKET, SO_TYPE, &type, &n) && type == (int)o->note &&
	       passes(o->fd[0], o->fd[1]) && (queued || passes(o->fd[1], o->fd[0]));
}

static struct sockaddr_in loopback(int fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	if (fd >= 0 && getsockname(fd, (struct sockaddr *)&a, &n))
		die("getsockname");
	return a;
}

static void bind_loopback(int fd)
{
	struct sockaddr_in a = loopback(-1);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
		die("bind");
}

/* A listener, and a connection to it. */
static void open_tcp(struct opened *o)
{
	struct sockaddr_in a;

	o->fd[0] = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	bind_loopback(o->fd[0]);
	if (listen(o->fd[0], 1))
		die("listen");
	a = loopback(o->fd[0]);
	o->note = a.sin_port;
	o->fd[1] = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	if (connect(o->fd[1], (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	o->fd[2] = must(accept(o->fd[0], NULL, NULL), "accept");
	fill(o->fd[1]);
}

static int right_tcp(struct opened *o)
{
	int listens = 0;
	socklen_t n = sizeof(listens);

	return !getsockopt(o->fd[0], SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) && listens &&
	       loopback(o->fd[0]).sin_port == o->note && passes(o->fd[1], o->fd[2]);
}

static void open_udp(struct opened *o)
{
	o->fd[0] = must(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), "socket");
	bind_loopback(o->fd[0]);
	o->note = loopback(o->fd[0]).sin_port;
}

static int right_udp(struct opened *o)
{
	struct sockaddr_in a = loopback(o->fd[0]);

	return a.sin_port == o->note && sendto(o->fd[0], "x", 1, 0, (struct sockaddr *)&a, sizeof(a)) == 1 && arrives(o->fd[0], 'x');
}

static void open_eventfd(struct opened *o) { o->fd[0] = must(eventfd(o->note = n_opened + 1, EFD_NONBLOCK), "eventfd"); }

static int right_eventfd(struct opened *o)
{
	uint64_t n = 0;

	return read(o->fd[0], &n, 8) == 8 && n == o->note && write(o->fd[0], &n, 8) == 8;
}

/* It watches an eventfd, which is always readable. */
static void open_epoll(struct opened *o)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = o->note = ~(uint64_t)n_opened };

	o->fd[0] = must(epoll_create1(0), "epoll_create1");
	o->fd[1] = must(eventfd(1, EFD_NONBLOCK), "eventfd");
	if (epoll_ctl(o->fd[0], EPOLL_CTL_ADD, o->fd[1], &e))
		die("epoll_ctl");
}

static int right_epoll(struct opened *o)
{
	struct epoll_event e = { 0 };

	return epoll_wait(o->fd[0], &e, 1, 0) == 1 && e.data.u64 == o->note;
}

static void open_timerfd(struct opened *o)
{
	struct itimerspec t = { .it_value.tv_sec = 100000, .it_interval.tv_sec = o->note = 1000 + n_opened };

	o->fd[0] = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), "timerfd_create");
	if (timerfd_settime(o->fd[0], 0, &t, NULL))
		die("timerfd_settime");
}

static int right_timerfd(struct opened *o)
{
	struct itimerspec t;

	return !timerfd_gettime(o->fd[0], &t) && t.it_value.tv_sec > 0 && (uint64_t)t.it_interval.tv_sec == o->note;
}

static void open_signalfd(struct opened *o)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1); /* every thread blocks it: see open_files */
	o->fd[0] = must(signalfd(-1, &set, SFD_NONBLOCK), "signalfd");
}

static int right_signalfd(struct opened *o)
{
	struct signalfd_siginfo i = { 0 };

	pthread_kill(pthread_self(), SIGUSR1);
	return read(o->fd[0], &i, sizeof(i)) == sizeof(i) && i.ssi_signo == SIGUSR1;
}

static void open_inotify(struct opened *o)
{
	o->fd[0] = must(inotify_init1(IN_NONBLOCK), "inotify_init1 (/proc/sys/fs/inotify/max_user_instances)");
	o->note = must(inotify_add_watch(o->fd[0], ".", IN_CREATE), "inotify_add_watch");
}

static int right_inotify(struct opened *o)
{
	char buf[4096] __attribute__((aligned(8)));
	struct inotify_event *e = (void *)buf;

	close(open("created", O_CREAT | O_RDWR, 0600));
	unlink("created");
	return read(o->fd[0], buf, sizeof(buf)) > 0 && (uint64_t)e->wd == o->note && e->mask == IN_CREATE;
}

/* In this order kinds=N takes the first N. */
static const struct kind all_kinds[] = {
	{ "regular", 1, open_regular, right_regular, 0 },
	{ "pipe", 2, open_pipe, right_pipe, 0 },
	{ "unix", 2, open_unix, right_unix, 0 },
	{ "tcp", 3, open_tcp, right_tcp, 0 },
	{ "udp", 1, open_udp, right_udp, 0 },
	{ "eventfd", 1, open_eventfd, right_eventfd, 0 },
	{ "epoll", 2, open_epoll, right_epoll, 0 },
	{ "timerfd", 1, open_timerfd, right_timerfd, 0 },
	{ "signalfd", 1, open_signalfd, right_signalfd, 0 },
	{ "inotify", 1, open_inotify, right_inotify, 100 }, /* a user has 128 by default */
};
#define ALL_KINDS (sizeof(all_kinds) / sizeof(*all_kinds))

/* choose_kinds takes a number, or the name of the only one. */
static void choose_kinds(const char *value)
{
	for (first_kind = 0; first_kind < ALL_KINDS; first_kind++)
		if (!strcmp(all_kinds[first_kind].name, value))
			return;
	first_kind = 0;
	kinds = strtoul(value, NULL, 10);
	if (kinds < 1 || kinds > ALL_KINDS) {
		fprintf(stderr, "load: kinds is 1 to %zu, or one of", ALL_KINDS);
		for (size_t i = 0; i < ALL_KINDS; i++)
			fprintf(stderr, " %s", all_kinds[i].name);
		exit(2);
	}
}

/* open_files opens exactly fds descriptors; where a kind has no room left, a regular file. */
static void open_files(void)
{
	unsigned int of[ALL_KINDS] = { 0 };
	size_t left = fds;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	opened = calloc(fds + 1, sizeof(*opened));
	if (!opened)
		die("calloc");
	while (left > 0) {
		size_t i = first_kind + n_opened % kinds;
		const struct kind *k = &all_kinds[i];

		if (k->fds > left || (k->most && of[i]++ >= k->most))
			k = all_kinds;
		opened[n_opened].kind = k;
		k->open(&opened[n_opened]);
		left -= k->fds;
		n_opened++;
	}
}

/* wrong_files is how many are not what they were; stderr says which. */
static uint64_t wrong_files(void)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < n_opened; i++)
		if (!opened[i].kind->right(&opened[i]) && ++wrong < 10)
			fprintf(stderr, "descriptor %d, %s, is not as it was\n", opened[i].fd[0], opened[i].kind->name);
	return wrong;
}

#endif
