/* SPDX-License-Identifier: Apache-2.0 */
/* A pty pair inside the tree: its modes, its size, its session and foreground group. */
#include "target.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

static struct termios modes;
static struct winsize size = { 33, 121, 5, 7 };

static void compare(int fd, const char *what)
{
	struct termios t;
	struct winsize w;

	CHECK(tcgetattr(fd, &t) == 0, "%s: %s", what, strerror(errno));
	CHECK(t.c_iflag == modes.c_iflag && t.c_oflag == modes.c_oflag && t.c_cflag == modes.c_cflag && t.c_lflag == modes.c_lflag,
	      "%s: modes %x %x %x %x", what, t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
	CHECK(!memcmp(t.c_cc, modes.c_cc, 19), "%s: characters", what);
	CHECK(cfgetispeed(&t) == cfgetispeed(&modes) && cfgetospeed(&t) == cfgetospeed(&modes), "%s: speeds", what);
	CHECK(ioctl(fd, TIOCGWINSZ, &w) == 0 && !memcmp(&w, &size, sizeof(w)), "%s: size %d %d", what, w.ws_row, w.ws_col);
}

static void answers(int fd, const char *want)
{
	char buf[256] = "";
	size_t have = 0;

	while (have < strlen(want) && poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 5000) == 1) {
		ssize_t n = read(fd, buf + have, sizeof(buf) - 1 - have);

		if (n <= 0)
			break;
		have += n;
	}
	CHECK(!strcmp(buf, want), "reads \"%s\", not \"%s\"", buf, want);
}

/* The job in the foreground: it says what it is told, and ends with ^C. */
static void job(int up)
{
	char buf[64];
	ssize_t n;

	signal(SIGTTOU, SIG_IGN);
	MUST(tcsetpgrp(0, getpid()) == 0 && write(up, "j", 1) == 1);
	while ((n = read(0, buf, sizeof(buf))) > 0)
		if (write(1, buf, n) != n)
			break;
	_exit(7);
}

/* The session's leader, in the background of its own terminal. */
static void leader(int slave, int up, int ask)
{
	pid_t child, sid;
	int status;
	char c;

	MUST(setsid() > 0 && ioctl(slave, TIOCSCTTY, 0) == 0);
	for (int fd = 0; fd < 3; fd++)
		MUST(dup2(slave, fd) == fd);
	child = fork();
	MUST(child >= 0);
	if (!child) {
		MUST(setpgid(0, 0) == 0);
		job(up);
	}
	if (read(ask, &c, 1) != 1)
		_exit(9);
	CHECK(tcgetpgrp(0) == child, "foreground group %d, not %d", tcgetpgrp(0), child);
	CHECK(ioctl(0, TIOCGSID, &sid) == 0 && sid == getpid(), "session %d, not %d", sid, getpid());
	compare(0, "slave");
	compare(open("/dev/tty", O_RDWR), "/dev/tty");
	MUST(write(up, "l", 1) == 1);
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT, "the job's status %#x", status);
	_exit(target_failed);
}

/* Bytes that wait on both sides of a pair. */
static void queued(int more)
{
	char text[8192], line[256] = "";
	int master, slave, n = 0, m;
	char name[64];

	MUST(openpty(&master, &slave, name, NULL, &size) == 0);
	close(slave);
	MUST((slave = open(name, O_RDWR | O_NOCTTY)) >= 0 && tcgetattr(slave, &modes) == 0);
	cfmakeraw(&modes);
	MUST(tcsetattr(slave, TCSANOW, &modes) == 0 && fcntl(master, F_SETFL, O_NONBLOCK) == 0 && fcntl(slave, F_SETFL, O_NONBLOCK) == 0);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i * 2654435761u >> 17;
	/* the ring goes round its end */
	for (int i = 0; i < 3; i++) {
		MUST(write(slave, text, 1000) == 1000 && (pause_ms(20), read(master, line, 200)) == 200);
		while (read(master, line, sizeof(line)) > 0)
			;
	}
	MUST(write(slave, text, more ? 7000 : 2000) == (more ? 7000 : 2000) && write(master, "typed ahead\r\3", 13) == 13);
	pause_ms(50);
	ready();
	await_check();
	answers(slave, "typed ahead\r\3");
	memset(line, 0, sizeof(line));
	for (; (m = read(master, line, sizeof(line))) > 0; n += m)
		CHECK(!memcmp(line, text + n, m), "other bytes at %d", n);
	CHECK(n == 2000 || more, "%d bytes of output", n);
	exit(verdict());
}

/*
 * Bytes that wait on both sides of a terminal with the usual modes: newlines have become CR and
 * newline, and an end of file is typed. The slave is open twice, and met before the master.
 */
static void cooked(void)
{
	char name[64], buf[64];
	int master, slave, again;

	MUST(openpty(&master, &slave, name, NULL, &size) == 0 && fcntl(master, F_DUPFD, 100) == 100 && !close(master));
	master = 100;
	MUST((again = open(name, O_RDWR | O_NOCTTY)) >= 0 && tcgetattr(slave, &modes) == 0);
	MUST(modes.c_oflag & OPOST && modes.c_oflag & ONLCR && modes.c_lflag & ICANON);
	modes.c_lflag &= ~ECHO;
	MUST(tcsetattr(slave, TCSANOW, &modes) == 0 && dprintf(slave, "one\ntwo\r\n") == 9 && dprintf(again, "\nthree\n") == 7);
	MUST(write(master, "typed\n\4more\n", 12) == 12);
	pause_ms(50);
	ready();
	await_check();
	answers(master, "one\r\ntwo\r\r\n\r\nthree\r\n");
	answers(slave, "typed\n");
	CHECK(poll(&(struct pollfd){ .fd = slave, .events = POLLIN }, 1, 5000) == 1 && read(slave, buf, sizeof(buf)) == 0, "no end of file");
	answers(again, "more\n");
	CHECK(poll(&(struct pollfd){ .fd = master, .events = POLLIN }, 1, 100) == 0, "there is more");
	exit(verdict());
}

/* The group in the foreground has ended, and its session's leader has done nothing about it. */
static void gone(void)
{
	int master, slave, status;
	pid_t shell, job, foreground;

	MUST(openpty(&master, &slave, NULL, NULL, &size) == 0 && (shell = fork()) >= 0);
	if (!shell) {
		MUST(setsid() > 0 && ioctl(slave, TIOCSCTTY, 0) == 0 && (job = fork()) >= 0);
		if (!job)
			_exit(0);
		MUST(setpgid(job, job) == 0 && tcsetpgrp(slave, job) == 0 && waitpid(job, &status, 0) == job);
		MUST(tcgetpgrp(slave) == job);
		ready();
		await_check();
		foreground = checked_live() ? job : getpid();
		CHECK(tcgetpgrp(slave) == foreground, "group %d, not %d, is in the foreground", tcgetpgrp(slave), foreground);
		_exit(target_failed);
	}
	MUST(waitpid(shell, &status, 0) == shell);
	CHECK(status == 0, "the leader's status %#x", status);
	exit(verdict());
}

/* A child counts in a terminal all the time, and its master reads it. */
static void flow(void)
{
	char buf[4096], want[32];
	int master, slave, at = 0;
	pid_t child;

	MUST(openpty(&master, &slave, NULL, NULL, &size) == 0 && (child = fork()) >= 0);
	for (int n = 0; !child; n++) {
		MUST(dprintf(slave, "%d\n", n) > 0);
		if (n % 100 == 0)
			usleep(300);
	}
	sprintf(want, "0\r\n");
	for (int n = 0, told = 0, last = 0; last < 1000; last += checking()) { /* goes on a while after the restore */
		ssize_t got = read(master, buf, sizeof(buf));

		if (n > 1000 && !told++)
			ready();
		MUST(got > 0 || errno == EINTR);
		for (ssize_t i = 0; i < got; i++) {
			if (buf[i] != want[at]) {
				fail("%d is followed by \"%.*s\"", n - 1, (int)(got - i < 20 ? got - i : 20), buf + i);
				goto out;
			}
			if (!want[++at])
				at = 0, sprintf(want, "%d\r\n", ++n);
		}
	}
out:
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	exit(verdict());
}

/* orphan is a session whose terminal's master is closed. */
static void orphan(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	struct stat st;

	MUST(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	MUST((slave = open(ptsname(master), O_RDWR)) >= 0);
	signal(SIGHUP, SIG_IGN);
	close(master);
	ready();
	await_check();
	CHECK(fstat(slave, &st) == 0 && S_ISCHR(st.st_mode), "slave");
	CHECK(write(slave, "x", 1) < 0 && errno == EIO, "the terminal is not hung up: %s", strerror(errno));
	exit(verdict());
}

int main(int argc, char **argv)
{
	int master, slave, up[2], ask[2], status, lock = -1, packet = 1, other, other_slave;
	char name[64], now_name[64], c;
	struct stat st;
	pid_t child;

	if (argc > 1 && !strcmp(argv[1], "orphan"))
		orphan();
	if (argc > 1 && !strcmp(argv[1], "cooked"))
		cooked();
	if (argc > 1 && !strcmp(argv[1], "gone"))
		gone();
	if (argc > 1 && !strcmp(argv[1], "flow"))
		flow();
	if (argc > 1)
		queued(!strcmp(argv[1], "more"));
	MUST(openpty(&master, &slave, name, NULL, &size) == 0);
	close(slave); /* opened by number it has no O_LARGEFILE, by name it has, as criu's has */
	MUST((slave = open(name, O_RDWR | O_NOCTTY)) >= 0 && tcgetattr(slave, &modes) == 0 && !pipe(up) && !pipe(ask));
	modes.c_iflag ^= IXANY | IUTF8;
	modes.c_oflag &= ~OPOST;
	modes.c_lflag = (modes.c_lflag & ~(ECHO | ICANON)) | ISIG;
	modes.c_cc[VINTR] = 7;
	modes.c_cc[VMIN] = 3 - 2;
	modes.c_cc[VEOL2] = 'Z';
	cfsetspeed(&modes, B9600);
	MUST(tcsetattr(slave, TCSANOW, &modes) == 0);
	/* a second pair that nobody controls, in packet mode and locked */
	MUST((other = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) >= 0 && grantpt(other) == 0 && unlockpt(other) == 0);
	MUST((other_slave = open(ptsname(other), O_RDWR | O_NOCTTY)) >= 0 && ioctl(other, TIOCPKT, &packet) == 0);
	child = fork();
	MUST(child >= 0);
	if (!child)
		leader(slave, up[1], ask[0]);
	MUST(read(up[0], &c, 1) == 1 && c == 'j');
	ready();
	await_check();
	CHECK(ptsname_r(master, now_name, sizeof(now_name)) == 0 && !strcmp(now_name, name), "name %s, not %s", now_name, name);
	CHECK(fstat(slave, &st) == 0 && S_ISCHR(st.st_mode), "slave");
	compare(master, "master");
	CHECK(ioctl(other, TIOCGPTLCK, &lock) == 0 && lock == 0, "locked %d", lock);
	CHECK(ioctl(other, TIOCGPKT, &packet) == 0 && packet == 1, "packet mode %d", packet);
	CHECK(fcntl(other, F_GETFD) == FD_CLOEXEC && fcntl(other, F_GETFL) & O_NONBLOCK, "flags");
	CHECK(write(other_slave, "x", 1) == 1, "write: %s", strerror(errno));
	CHECK(write(ask[1], "?", 1) == 1 && read(up[0], &c, 1) == 1 && c == 'l', "no answer of the leader");
	CHECK(write(master, "hello\r", 6) == 6, "write: %s", strerror(errno));
	answers(master, "hello\n");
	CHECK(write(master, "\7", 1) == 1, "write: %s", strerror(errno));
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the leader's status %#x", status);
	return verdict();
}
