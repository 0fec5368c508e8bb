/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink sockets: bound, in groups, connected to a group, not bound; "waiting": with a
 * message to be read; "acknowledgements": with options of the kernel's answers, which a restore forgets;
 * NETLINK_…: with an option that no restore sets.
 */
#include "target.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static int make(int protocol, unsigned groups)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	MUST(fd >= 0 && bind(fd, (void *)&a, sizeof(a)) == 0);
	return fd;
}

static struct sockaddr_nl name(int fd)
{
	struct sockaddr_nl a = {};
	socklen_t len = sizeof(a);

	CHECK(getsockname(fd, (void *)&a, &len) == 0, "getsockname: %s", strerror(errno));
	return a;
}

/* ask wants the kernel to list the interfaces. */
static int ask(int fd)
{
	struct { struct nlmsghdr h; struct ifinfomsg i; } q = { { .nlmsg_len = sizeof(q), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = 7 }, {} };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	return sendto(fd, &q, sizeof(q), 0, (void *)&kernel, sizeof(kernel)) == (ssize_t)sizeof(q);
}

/* fails asks for something that is wrong, and returns the length of the error that comes. */
static int fails(int fd, uint32_t *flags)
{
	struct { struct nlmsghdr h; struct ifinfomsg i; } q = { { .nlmsg_len = sizeof(q), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK, .nlmsg_seq = 8 }, { .ifi_index = 0x7ffffff0 } };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct { struct nlmsghdr h; struct nlmsgerr e; char rest[1024]; } a = {};

	CHECK(sendto(fd, &q, sizeof(q), 0, (void *)&kernel, sizeof(kernel)) == (ssize_t)sizeof(q), "sendto: %s", strerror(errno));
	CHECK(recv(fd, &a, sizeof(a), 0) > 0 && a.h.nlmsg_type == NLMSG_ERROR && a.e.error == -ENODEV, "type %d, error %d", a.h.nlmsg_type, a.e.error);
	*flags = a.h.nlmsg_flags;
	return a.h.nlmsg_len;
}

static const struct { const char *name; int option; } options[] = {
	{ "NETLINK_PKTINFO", NETLINK_PKTINFO }, { "NETLINK_BROADCAST_ERROR", NETLINK_BROADCAST_ERROR }, { "NETLINK_NO_ENOBUFS", NETLINK_NO_ENOBUFS },
	{ "NETLINK_LISTEN_ALL_NSID", NETLINK_LISTEN_ALL_NSID }, { "NETLINK_GET_STRICT_CHK", NETLINK_GET_STRICT_CHK },
};

int main(int argc, char **argv)
{
	int plain = make(NETLINK_ROUTE, 0), groups = make(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_NOTIFY), on = 1;
	int loose = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT), talker = make(NETLINK_USERSOCK, 0), size = 50000;
	struct sockaddr_nl was[2] = { name(plain), name(groups) }, to = { .nl_family = AF_NETLINK, .nl_groups = 1 << 4 }, now_is;
	char text[16384] = "", word[] = "word";
	int listener = make(NETLINK_USERSOCK, 1 << 4), got;
	socklen_t len = sizeof(got);
	int acks = argc > 1 && !strcmp(argv[1], "acknowledgements");
	uint32_t flags;

	MUST(loose >= 0 && connect(talker, (void *)&to, sizeof(to)) == 0);
	MUST(setsockopt(plain, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0);
	if (argc > 1 && !strcmp(argv[1], "waiting"))
		MUST(ask(plain));
	if (acks)
		MUST(setsockopt(plain, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) == 0 && setsockopt(plain, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) == 0);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (argc > 1 && !strcmp(argv[1], options[i].name))
			MUST(setsockopt(plain, SOL_NETLINK, options[i].option, &on, sizeof(on)) == 0);
	ready();
	await_check();
	now_is = name(plain);
	CHECK(now_is.nl_pid == was[0].nl_pid && !now_is.nl_groups, "port %u, groups %x", now_is.nl_pid, now_is.nl_groups);
	now_is = name(groups);
	CHECK(now_is.nl_pid == was[1].nl_pid && now_is.nl_groups == was[1].nl_groups, "port %u, groups %x", now_is.nl_pid, now_is.nl_groups);
	now_is = name(loose);
	CHECK(!now_is.nl_pid, "what was not bound is: %u", now_is.nl_pid);
	CHECK(getsockopt(loose, SOL_SOCKET, SO_PROTOCOL, &got, &len) == 0 && got == NETLINK_KOBJECT_UEVENT, "protocol %d", got);
	CHECK(getsockopt(plain, SOL_SOCKET, SO_RCVBUF, &got, &len) == 0 && got == 2 * size, "buffer of %d bytes", got);
	CHECK(fcntl(plain, F_GETFD) == FD_CLOEXEC && !fcntl(loose, F_GETFD), "close-on-exec");
	CHECK(ask(plain) && recv(plain, text, sizeof(text), 0) > 0 && ((struct nlmsghdr *)text)->nlmsg_type == RTM_NEWLINK, "no answer: %s", strerror(errno));
	while (recv(plain, text, sizeof(text), MSG_DONTWAIT) > 0) /* the rest of the list */
		;
	got = fails(plain, &flags);
	if (acks && checked_live())
		CHECK(flags & NLM_F_CAPPED && got >= 36, "the live socket's error has %d bytes, flags %x", got, flags);
	else if (acks)
		CHECK(!(flags & NLM_F_CAPPED), "an error of %d bytes, flags %x", got, flags);
	/* the group hears it, port 0 of this protocol has nobody */
	CHECK(send(talker, word, 5, 0) < 0 && errno == ECONNREFUSED, "send: %s", strerror(errno));
	CHECK(recv(listener, text, sizeof(text), MSG_DONTWAIT) == 5 && !strcmp(text, word), "the group hears nothing: %s", strerror(errno));
	return verdict();
}
