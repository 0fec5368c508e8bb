/* SPDX-License-Identifier: Apache-2.0 */
/* Packet sockets on lo, of protocols that are the process's own. */
#ifndef PACKET_H
#define PACKET_H

#include "target.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

static int lo, base; /* base: before the first of the protocols */

static void on_lo(void)
{
	MUST((lo = if_nametoindex("lo")) > 0);
	base = 0x9000 + getpid() * 16 % 0x4000;
}

static unsigned short protocol(int n) { return htons(n ? base + n : 0); }

static struct sockaddr_ll at_lo(int n)
{
	return (struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_protocol = protocol(n), .sll_ifindex = lo };
}

/* make returns a socket of lo that receives what is of protocol n, 0: nothing. */
static int make(int type, int n)
{
	struct sockaddr_ll a = at_lo(n);
	int fd = socket(AF_PACKET, type, protocol(n));

	MUST(fd >= 0 && !bind(fd, (void *)&a, sizeof(a)));
	return fd;
}

static void set(int fd, int option, int value) { MUST(!setsockopt(fd, SOL_PACKET, option, &value, sizeof(value))); }

struct frame {
	struct ethhdr eth;
	char text[46];
};

static struct frame frame(int n, const char *text)
{
	struct frame f = { .eth.h_proto = protocol(n) };

	snprintf(f.text, sizeof(f.text), "%s", text);
	return f;
}

/* say sends a frame to who listens to protocol n. */
static void say(int n, const char *text)
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll a = at_lo(n);
	struct frame f = frame(n, text);

	CHECK(fd >= 0 && sendto(fd, &f, sizeof(f), 0, (void *)&a, sizeof(a)) == sizeof(f), "send: %s", strerror(errno));
	close(fd);
}

static int readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* hears wants a frame with this text to be next; raw: with its header. */
static void hears(int fd, int raw, const char *text, const char *what)
{
	struct frame f = {};

	CHECK(readable(fd, 2000), "%s: hears nothing", what);
	CHECK(recv(fd, raw ? (void *)&f : f.text, sizeof(f), MSG_DONTWAIT) > 0 && !strcmp(f.text, text), "%s: hears %s (%s)", what, f.text, strerror(errno));
}

#endif
