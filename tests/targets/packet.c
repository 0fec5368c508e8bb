/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet sockets: options, memberships, fanout groups, filters, SOCK_PACKET; what waits in them,
 * and options that no restore brings back. The first argument is the part.
 */
#include "packet.h"
#include <linux/filter.h>

#ifndef PACKET_VNET_HDR_SZ
#define PACKET_VNET_HDR_SZ 24
#endif

static int got(int fd, int level, int option)
{
	int v = 0;
	socklen_t len = sizeof(v);

	return getsockopt(fd, level, option, &v, &len) ? -errno : v;
}

static void same_name(int fd, struct sockaddr_ll was, const char *what)
{
	struct sockaddr_ll is = {};
	socklen_t len = sizeof(is);

	CHECK(!getsockname(fd, (void *)&is, &len) && is.sll_protocol == was.sll_protocol && is.sll_ifindex == was.sll_ifindex,
	      "%s: protocol %x, interface %d", what, is.sll_protocol, is.sll_ifindex);
}

static const int options[] = { PACKET_AUXDATA, PACKET_ORIGDEV, PACKET_VNET_HDR, PACKET_LOSS, PACKET_VERSION, PACKET_RESERVE,
			       PACKET_TIMESTAMP, PACKET_COPY_THRESH, PACKET_FANOUT, PACKET_TX_HAS_OFF, PACKET_QDISC_BYPASS };

#define OPTIONS (int)(sizeof(options) / sizeof(options[0]))

static void part_options(void)
{
	int fd[6], was[6][OPTIONS + 1], size = 50000, n = 0;
	struct sockaddr_ll name[6];

	fd[n++] = make(SOCK_RAW, 1);
	fd[n++] = make(SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 2);
	fd[n++] = make(SOCK_RAW, 0);
	fd[n++] = socket(AF_PACKET, SOCK_RAW, 0);
	fd[n++] = socket(AF_PACKET, SOCK_DGRAM, protocol(3)); /* of all interfaces */
	fd[n++] = make(SOCK_RAW, 4);
	for (int i = 0; i < 4; i++)
		set(fd[5], options[i], 1);
	set(fd[5], PACKET_VERSION, TPACKET_V2);
	set(fd[5], PACKET_RESERVE, 24);
	set(fd[5], PACKET_TIMESTAMP, 0x44);
	set(fd[0], PACKET_COPY_THRESH, 700);
	MUST(!setsockopt(fd[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	for (int i = 0; i < n; i++) {
		socklen_t len = sizeof(name[i]);

		MUST(fd[i] >= 0 && !getsockname(fd[i], (void *)&name[i], &len));
		for (int j = 0; j < OPTIONS; j++)
			was[i][j] = got(fd[i], SOL_PACKET, options[j]);
		was[i][OPTIONS] = got(fd[i], SOL_SOCKET, SO_RCVBUF);
	}
	ready();
	await_check();
	for (int i = 0; i < n; i++) {
		char what[32];

		snprintf(what, sizeof(what), "socket %d", i);
		same_name(fd[i], name[i], what);
		for (int j = 0; j < OPTIONS; j++)
			CHECK(got(fd[i], SOL_PACKET, options[j]) == was[i][j], "%s: option %d is %d, was %d", what, options[j], got(fd[i], SOL_PACKET, options[j]), was[i][j]);
		CHECK(got(fd[i], SOL_SOCKET, SO_RCVBUF) == was[i][OPTIONS], "%s: buffer", what);
	}
	CHECK(fcntl(fd[1], F_GETFD) == FD_CLOEXEC && fcntl(fd[1], F_GETFL) & O_NONBLOCK, "flags");
	say(1, "one");
	hears(fd[0], 1, "one", "raw");
	say(2, "two");
	hears(fd[1], 0, "two", "datagrams");
	say(3, "three");
	hears(fd[4], 0, "three", "of all interfaces");
	CHECK(!readable(fd[2], 0) && !readable(fd[3], 0), "of no protocol: hears something");
}

/* membership: PACKET_ADD_MEMBERSHIP or PACKET_DROP_MEMBERSHIP. The address is this process's own. */
static int membership(int fd, int what, int type, unsigned char last)
{
	struct packet_mreq m = { .mr_ifindex = lo, .mr_type = type, .mr_alen = 6, .mr_address = { 1, 0, 0x5e, base >> 8, base, last } };

	return setsockopt(fd, SOL_PACKET, what, &m, sizeof(m));
}

/* members is how many of this process's multicast addresses the interface has. */
static int members(void)
{
	FILE *f = fopen("/proc/net/dev_mcast", "re");
	char line[256], name[32], address[64], own[16];
	int n = 0;

	CHECK(f, "dev_mcast: %s", strerror(errno));
	snprintf(own, sizeof(own), "01005e%02x%02x", base >> 8 & 255, base & 255);
	while (f && fgets(line, sizeof(line), f))
		n += sscanf(line, "%*d %31s %*d %*d %63s", name, address) == 2 && !strcmp(name, "lo") && !strncmp(address, own, 10);
	if (f)
		fclose(f);
	return n;
}

static int promiscuous(void)
{
	FILE *f = fopen("/sys/class/net/lo/flags", "re");
	unsigned flags = 0;

	CHECK(f && fscanf(f, "%x", &flags) == 1, "flags: %s", strerror(errno));
	if (f)
		fclose(f);
	return (flags & (IFF_PROMISC | IFF_ALLMULTI)) == (IFF_PROMISC | IFF_ALLMULTI);
}

#define MANY 150

/* part_members: the last address was asked for twice. */
static void part_members(void)
{
	int a = make(SOCK_RAW, 1), b = make(SOCK_DGRAM, 0);

	MUST(!membership(a, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC, 0) && !membership(a, PACKET_ADD_MEMBERSHIP, PACKET_MR_ALLMULTI, 9));
	for (int i = 0; i < MANY; i++)
		MUST(!membership(b, PACKET_ADD_MEMBERSHIP, PACKET_MR_MULTICAST, i));
	MUST(!membership(b, PACKET_ADD_MEMBERSHIP, PACKET_MR_MULTICAST, MANY - 1) && members() == MANY && promiscuous());
	ready();
	await_check();
	CHECK(promiscuous(), "the interface is not promiscuous");
	CHECK(members() == MANY, "%d addresses", members());
	for (int i = 0; i < MANY; i++)
		CHECK(!membership(b, PACKET_DROP_MEMBERSHIP, PACKET_MR_MULTICAST, i), "drop %d: %s", i, strerror(errno));
	CHECK(members() == 1, "what was asked for twice: %d addresses", members());
	CHECK(!membership(b, PACKET_DROP_MEMBERSHIP, PACKET_MR_MULTICAST, MANY - 1) && members() == 0, "%d addresses are left", members());
}

static void part_fanout(void)
{
	int a = make(SOCK_RAW, 1), b = make(SOCK_RAW, 1), id = base & 0xffff, n[2] = {};
	int group = id | (PACKET_FANOUT_LB | PACKET_FANOUT_FLAG_ROLLOVER) << 16;
	char text[64];

	set(a, PACKET_FANOUT, group);
	set(b, PACKET_FANOUT, group);
	ready();
	await_check();
	CHECK(got(a, SOL_PACKET, PACKET_FANOUT) == group && got(b, SOL_PACKET, PACKET_FANOUT) == group, "groups %x, %x; was %x",
	      got(a, SOL_PACKET, PACKET_FANOUT), got(b, SOL_PACKET, PACKET_FANOUT), group);
	for (int i = 0; i < 8; i++)
		say(1, "shared");
	readable(a, 1000);
	while (recv(a, text, sizeof(text), MSG_DONTWAIT) > 0)
		n[0]++;
	while (recv(b, text, sizeof(text), MSG_DONTWAIT) > 0)
		n[1]++;
	CHECK(n[0] == 4 && n[1] == 4, "%d and %d frames, not 4 each", n[0], n[1]);
}

/* part_filter: only what begins with a y. */
static void part_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, sizeof(struct ethhdr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'y', 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 65535), BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { 4, code };
	int fd = make(SOCK_RAW, 1);

	MUST(!setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
	ready();
	await_check();
	say(1, "no");
	say(1, "yes");
	hears(fd, 1, "yes", "filter");
}

static void part_spkt(void)
{
	struct sockaddr a = { .sa_family = AF_PACKET, .sa_data = "lo" }, is[2] = {};
	int bound = socket(AF_PACKET, SOCK_PACKET, protocol(1)), loose = socket(AF_PACKET, SOCK_PACKET, protocol(2)), type = 0;
	socklen_t len = sizeof(a);

	MUST(bound >= 0 && loose >= 0 && !bind(bound, &a, sizeof(a)));
	ready();
	await_check();
	CHECK(!getsockname(bound, &is[0], &len) && !strcmp(is[0].sa_data, "lo"), "bound to %s", is[0].sa_data);
	CHECK(!getsockname(loose, &is[1], &len) && !is[1].sa_data[0], "what was not bound is: %s", is[1].sa_data);
	len = sizeof(type);
	CHECK(!getsockopt(bound, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_PACKET, "type %d", type);
	say(1, "one");
	hears(bound, 1, "one", "bound");
	say(2, "two");
	hears(loose, 1, "two", "not bound");
}

/* part_waiting: what waits is lost by a restore, as datagrams are. */
static void part_waiting(void)
{
	int fd = make(SOCK_RAW, 1);

	say(1, "early");
	MUST(readable(fd, 2000));
	ready();
	await_check();
	if (checked_live())
		hears(fd, 1, "early", "waiting");
	CHECK(!readable(fd, 0), "something is left");
	say(1, "late");
	hears(fd, 1, "late", "next");
}

static void part_option(const char *name)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = { 1, &code };
	int fd = make(SOCK_RAW, 1), on = 1;

	if (!strcmp(name, "PACKET_QDISC_BYPASS"))
		set(fd, PACKET_QDISC_BYPASS, 1);
	else if (!strcmp(name, "PACKET_IGNORE_OUTGOING"))
		set(fd, PACKET_IGNORE_OUTGOING, 1);
	else if (!strcmp(name, "PACKET_TX_HAS_OFF"))
		set(fd, PACKET_TX_HAS_OFF, 1);
	else if (!strcmp(name, "PACKET_VNET_HDR_SZ"))
		set(fd, PACKET_VNET_HDR_SZ, 12);
	else if (!strcmp(name, "SO_NOFCS"))
		MUST(!setsockopt(fd, SOL_SOCKET, SO_NOFCS, &on, sizeof(on)));
	else if (!strcmp(name, "PACKET_FANOUT_DATA")) {
		set(fd, PACKET_FANOUT, (base & 0xffff) | PACKET_FANOUT_CBPF << 16);
		MUST(!setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &prog, sizeof(prog)));
	} else
		MUST(!"no such option");
	ready();
	await_check();
}

int main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = { { "options", part_options }, { "members", part_members }, { "fanout", part_fanout },
		      { "filter", part_filter },   { "spkt", part_spkt },	{ "waiting", part_waiting } };

	on_lo();
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(part, parts[i].name))
			continue;
		parts[i].run();
		return verdict();
	}
	part_option(part);
	return verdict();
}
