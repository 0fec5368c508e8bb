/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings of packet sockets and their mappings: nothing has been in them, or ("used", "mapped")
 * they are not to be restored.
 */
#include "packet.h"
#include <sys/mman.h>
#include <sys/wait.h>

#define FRAME 2048
#define BLOCK 8192
#define BLOCKS 2

static const struct ring {
	int version, rx, tx, map;
} rings[] = {
	{ TPACKET_V1, 1, 1, MAP_SHARED }, { TPACKET_V2, 1, 0, MAP_SHARED }, { TPACKET_V2, 0, 1, MAP_SHARED }, { TPACKET_V3, 1, 0, MAP_SHARED },
	{ TPACKET_V3, 1, 1, MAP_SHARED }, { TPACKET_V2, 1, 0, MAP_PRIVATE }, { TPACKET_V1, 1, 0, 0 },
};

#define RINGS (int)(sizeof(rings) / sizeof(rings[0]))
#define RING_SIZE (BLOCK * BLOCKS)

static int make_ring(int n, const struct ring *r)
{
	struct tpacket_req3 req = { BLOCK, BLOCKS, FRAME, RING_SIZE / FRAME, 0, 0, 0 };
	int fd = make(SOCK_RAW, n);

	set(fd, PACKET_VERSION, r->version);
	if (r->tx)
		MUST(!setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)));
	if (r->version == TPACKET_V3)
		req = (struct tpacket_req3){ BLOCK, BLOCKS, FRAME, RING_SIZE / FRAME, 20, 24, TP_FT_REQ_FILL_RXHASH };
	if (r->rx)
		MUST(!setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)));
	return fd;
}

static char *map_ring(int fd, const struct ring *r, int flags)
{
	return mmap(0, RING_SIZE * (r->rx + r->tx), PROT_READ | PROT_WRITE, flags, fd, 0);
}

/* received is the frame that the ring has first, once it has one. */
static struct frame *received(int fd, volatile char *mem, int version)
{
	volatile struct tpacket_block_desc *block = (void *)mem;
	struct tpacket3_hdr *h;

	if (!readable(fd, 2000))
		return 0;
	if (version == TPACKET_V1)
		return ((struct tpacket_hdr *)mem)->tp_status & TP_STATUS_USER ? (void *)mem + ((struct tpacket_hdr *)mem)->tp_mac : 0;
	if (version == TPACKET_V2)
		return ((struct tpacket2_hdr *)mem)->tp_status & TP_STATUS_USER ? (void *)mem + ((struct tpacket2_hdr *)mem)->tp_mac : 0;
	if (!(block->hdr.bh1.block_status & TP_STATUS_USER) || block->hdr.bh1.num_pkts != 1)
		return 0;
	CHECK(block->offset_to_priv == 48, "private bytes at %u", block->offset_to_priv);
	h = (void *)mem + block->hdr.bh1.offset_to_first_pkt;
	return (void *)h + h->tp_mac;
}

static void fill(char *mem, int version, struct frame f)
{
	int off = version == TPACKET_V1 ? TPACKET_HDRLEN : version == TPACKET_V2 ? TPACKET2_HDRLEN : TPACKET3_HDRLEN;

	memcpy(mem + off - sizeof(struct sockaddr_ll), &f, sizeof(f));
	if (version == TPACKET_V1)
		*(struct tpacket_hdr *)mem = (struct tpacket_hdr){ .tp_status = TP_STATUS_SEND_REQUEST, .tp_len = sizeof(f) };
	else if (version == TPACKET_V2)
		*(struct tpacket2_hdr *)mem = (struct tpacket2_hdr){ .tp_status = TP_STATUS_SEND_REQUEST, .tp_len = sizeof(f) };
	else
		*(struct tpacket3_hdr *)mem = (struct tpacket3_hdr){ .tp_status = TP_STATUS_SEND_REQUEST, .tp_len = sizeof(f) };
}

static void check_ring(int i, int fd, char *mem, int ear)
{
	const struct ring *r = &rings[i];
	struct frame *f;
	char what[32];

	snprintf(what, sizeof(what), "ring %d", i);
	if (r->rx) {
		say(1 + i, what);
		f = received(fd, mem, r->version);
		CHECK(f && !strcmp(f->text, what), "%s: received %s", what, f ? f->text : "nothing");
	}
	if (r->tx) {
		fill(mem + r->rx * RING_SIZE, r->version, frame(1 + RINGS, what));
		CHECK(send(fd, 0, 0, 0) == sizeof(*f), "%s: send: %s", what, strerror(errno));
		hears(ear, 1, what, what);
	}
}

/* part_rings: nothing has been in them yet. A child has some of them too. */
static void part_rings(void)
{
	int fd[RINGS], ear = make(SOCK_RAW, 1 + RINGS), status;
	char *mem[RINGS];
	pid_t child;

	for (int i = 0; i < RINGS; i++) {
		fd[i] = make_ring(1 + i, &rings[i]);
		mem[i] = rings[i].map ? map_ring(fd[i], &rings[i], rings[i].map) : 0;
		MUST(mem[i] != MAP_FAILED);
	}
	MUST((child = fork()) >= 0);
	if (!child) {
		await_check();
		for (int i = 0; i < 100; i++, pause_ms(50)) /* until the parent has received */
			if (!strcmp(((struct frame *)(mem[1] + ((volatile struct tpacket2_hdr *)mem[1])->tp_mac))->text, "ring 1"))
				_exit(0);
		_exit(1);
	}
	ready();
	await_check();
	for (int i = 0; i < RINGS; i++) {
		if (!mem[i])
			mem[i] = map_ring(fd[i], &rings[i], MAP_SHARED);
		CHECK(mem[i] != MAP_FAILED, "map ring %d: %s", i, strerror(errno));
		if (mem[i] != MAP_FAILED)
			check_ring(i, fd[i], mem[i], ear);
	}
	CHECK(waitpid(child, &status, 0) == child && !status, "the child sees another ring: status %x", status);
}

/* part_mapped: a mapping that a restore cannot make again. */
static void part_mapped(const char *how)
{
	static const struct ring v2 = { TPACKET_V2, 1, 0, 0 };
	int fd = make_ring(1, &v2);
	char *mem = map_ring(fd, &v2, strcmp(how, "written") ? MAP_SHARED : MAP_PRIVATE);
	struct frame *f;

	MUST(mem != MAP_FAILED);
	if (!strcmp(how, "written"))
		mem[BLOCK] = 1;
	else if (!strcmp(how, "a part"))
		MUST(!munmap(mem + BLOCK, RING_SIZE - BLOCK));
	else
		MUST(!close(fd));
	ready();
	await_check();
	if (strcmp(how, "closed")) {
		say(1, how);
		f = received(fd, mem, TPACKET_V2);
		CHECK(f && !strcmp(f->text, how), "received %s", f ? f->text : "nothing");
	}
}

/* part_used: a ring that something has happened to. */
static void part_used(const char *how)
{
	static const struct ring v1 = { TPACKET_V1, 1, 1, 0 }, v3 = { TPACKET_V3, 1, 0, 0 };
	const struct ring *r = strcmp(how, "blocks") ? &v1 : &v3;
	int fd = make_ring(1, r), send_it = !strcmp(how, "sent");
	char *mem = map_ring(fd, r, MAP_SHARED);

	MUST(mem != MAP_FAILED);
	if (send_it || !strcmp(how, "filled"))
		fill(mem + RING_SIZE, TPACKET_V1, frame(2, how));
	else
		say(1, how);
	if (send_it)
		MUST(send(fd, 0, 0, 0) > 0);
	if (!strcmp(how, "received"))
		MUST(received(fd, mem, TPACKET_V1));
	ready();
	await_check();
}

int main(int argc, char **argv)
{
	on_lo();
	if (argc == 1)
		part_rings();
	else if (argc == 3 && !strcmp(argv[1], "mapped"))
		part_mapped(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "used"))
		part_used(argv[2]);
	else
		MUST(!"no such part");
	return verdict();
}
