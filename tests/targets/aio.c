/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AIO contexts: empty, with events that nobody has fetched, inherited, at work; and what no restore
 * makes again. The first argument is the part.
 */
#include "target.h"
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE 4096

struct ring { /* struct aio_ring */
	unsigned id, nr, head, tail, magic, compat, incompat, bytes;
};

static aio_context_t setup(unsigned n)
{
	aio_context_t c = 0;

	MUST(!syscall(SYS_io_setup, n, &c));
	return c;
}

static volatile struct ring *ring_of(aio_context_t c) { return (void *)c; }

static size_t ring_size(aio_context_t c) { return (32 + 32 * (size_t)ring_of(c)->nr + PAGE - 1) & -PAGE; }

/* submit makes a request; it returns 1, or -errno. */
static int submit(aio_context_t c, struct iocb *cb)
{
	long n = syscall(SYS_io_submit, c, 1, &cb);

	return n < 0 ? -errno : n;
}

/* fetch waits for an event, if there is to be one, whatever interrupts it. */
static int fetch(aio_context_t c, long least, struct io_event *e)
{
	long n;

	do
		n = syscall(SYS_io_getevents, c, least, 1, e, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int null;
static char byte[1];

/* tell completes one request at once, under a number; to: an eventfd, 0: none. */
static int tell(aio_context_t c, uint64_t number, int to)
{
	static struct iocb cb;

	cb = (struct iocb){ .aio_data = number, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = null, .aio_buf = (uintptr_t)byte,
			    .aio_nbytes = 1, .aio_resfd = to, .aio_flags = to ? IOCB_FLAG_RESFD : 0 };
	return submit(c, &cb);
}

static void hears(aio_context_t c, uint64_t number, const char *what)
{
	struct io_event e = {};
	int n = fetch(c, 0, &e);

	CHECK(n == 1 && e.data == number && e.res == 1, "%s: %d events: number %lld, result %lld; not number %llu", what, n, (long long)e.data,
	      (long long)e.res, (unsigned long long)number);
}

static void hears_nothing(aio_context_t c, const char *what)
{
	struct io_event e;

	CHECK(fetch(c, 0, &e) == 0, "%s: an event too many", what);
}

static volatile int waiting;

static void *wait_for_event(void *c)
{
	struct io_event e = {};

	waiting = 1;
	CHECK(fetch((aio_context_t)c, 1, &e) == 1 && e.data == 4711, "who waited got %lld", (long long)e.data);
	return 0;
}

#define CONTEXTS 6

/* part_rings: each context has told up to to[i], and been heard up to from[i]. */
static void part_rings(void)
{
	aio_context_t c[CONTEXTS], waits = setup(1);
	uint64_t from[CONTEXTS] = {}, to[CONTEXTS] = {}, count = 0;
	int efd = eventfd(0, EFD_NONBLOCK);
	unsigned nr[CONTEXTS], tail[CONTEXTS];
	pthread_t thread;
	char what[32];
	void *place;

	for (int i = 0; i < CONTEXTS; i++)
		c[i] = setup(i == 2 ? 5000 : i == 3 ? 1 : 64);
	for (to[1] = 0; to[1] < ring_of(c[1])->nr + 2; to[1]++) { /* around the ring: half of it is heard */
		MUST(tell(c[1], to[1], 0) == 1);
		if (to[1] % 2)
			hears(c[1], from[1]++, "before");
	}
	for (; to[2] < 4000; to[2]++)
		MUST(tell(c[2], to[2], 0) == 1);
	MUST((place = mmap(0, ring_size(c[4]), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED);
	MUST(mremap((void *)c[4], ring_size(c[4]), ring_size(c[4]), MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
	c[4] = (aio_context_t)place;
	for (; to[4] < 3; to[4]++)
		MUST(tell(c[4], to[4], efd) == 1);
	for (; to[5] < 5; to[5]++)
		MUST(tell(c[5], to[5], 0) == 1);
	from[5] = ring_of(c[5])->head = 5; /* heard without a call */
	for (int i = 0; i < CONTEXTS; i++) {
		nr[i] = ring_of(c[i])->nr;
		tail[i] = ring_of(c[i])->tail;
	}
	MUST(!pthread_create(&thread, 0, wait_for_event, (void *)waits));
	while (!waiting)
		pause_ms(1);
	ready();
	await_check();
	for (int i = 0; i < CONTEXTS; i++) {
		snprintf(what, sizeof(what), "context %d", i);
		CHECK(ring_of(c[i])->nr == nr[i] && ring_of(c[i])->tail == tail[i], "%s: %u events, at %u; were %u, %u", what, ring_of(c[i])->nr,
		      ring_of(c[i])->tail, nr[i], tail[i]);
		for (; from[i] < to[i]; from[i]++)
			hears(c[i], from[i], what);
		hears_nothing(c[i], what);
		for (to[i] = 10000; to[i] < 10000 + 3 * nr[i]; to[i]++) {
			CHECK(tell(c[i], to[i], 0) == 1, "%s: submit: %s", what, strerror(errno));
			hears(c[i], to[i], what);
		}
		CHECK(!syscall(SYS_io_destroy, c[i]), "%s: destroy: %s", what, strerror(errno));
	}
	CHECK(read(efd, &count, 8) == 8 && count == 3, "the eventfd was told %llu times", (unsigned long long)count);
	CHECK(tell(waits, 4711, 0) == 1, "submit: %s", strerror(errno));
	pthread_join(thread, 0);
}

#define MANY 700

/* part_many: more contexts than are read at once. */
static void part_many(void)
{
	static aio_context_t c[MANY];

	for (int i = 0; i < MANY; i++) {
		c[i] = setup(1);
		MUST(tell(c[i], i, 0) == 1);
	}
	for (int i = 0; i < MANY; i += 7) /* so that the table has holes */
		MUST(!syscall(SYS_io_destroy, c[i]));
	ready();
	await_check();
	for (int i = 0; i < MANY; i++)
		if (i % 7)
			hears(c[i], i, "one of many");
}

/* part_inherited: a child has the mapping of its parent's context, which is none of its own, and one that is. */
static void part_inherited(void)
{
	aio_context_t parent = setup(64), own;
	size_t size = ring_size(parent);
	int status, pipe_fds[2];
	char *was;
	pid_t child;

	for (uint64_t i = 0; i < 10; i++)
		MUST(tell(parent, i, 0) == 1);
	MUST(!pipe(pipe_fds) && (child = fork()) >= 0);
	if (!child) {
		own = setup(64);
		MUST((was = malloc(size)) && memcpy(was, (void *)parent, size));
		MUST(tell(own, 77, 0) == 1 && write(pipe_fds[1], "x", 1) == 1);
		await_check();
		CHECK(!memcmp(was, (void *)parent, size), "the inherited ring has other bytes");
		CHECK(tell(parent, 1, 0) == -EINVAL, "the parent's context works");
		hears(own, 77, "child");
		hears_nothing(own, "child");
		_exit(target_failed);
	}
	MUST(read(pipe_fds[0], byte, 1) == 1);
	ready();
	await_check();
	CHECK(waitpid(child, &status, 0) == child && !status, "child: status %x", status);
	for (uint64_t i = 0; i < 10; i++)
		hears(parent, i, "parent");
	hears_nothing(parent, "parent");
}

/* part_unmapped: without its ring a context is of no use, and may be lost. */
static void part_unmapped(void)
{
	aio_context_t c = setup(64);

	MUST(!munmap((void *)c, ring_size(c)));
	ready();
	await_check();
	CHECK(tell(c, 1, 0) == -EINVAL, "it works: %s", strerror(errno));
}

#define DEPTH 24
#define BLOCK 65536
#define BLOCKS 64

static struct iocb cbs[DEPTH];
static char *buffers;

static void read_block(aio_context_t c, int fd, int slot, unsigned block, int efd)
{
	cbs[slot] = (struct iocb){ .aio_data = (uint64_t)block << 8 | slot, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd,
				   .aio_buf = (uintptr_t)(buffers + slot * BLOCK), .aio_nbytes = BLOCK, .aio_offset = (uint64_t)block * BLOCK,
				   .aio_resfd = efd, .aio_flags = IOCB_FLAG_RESFD };
	memset(buffers + slot * BLOCK, 0, BLOCK);
	CHECK(submit(c, &cbs[slot]) == 1, "read block %u: %s", block, strerror(errno));
}

/* part_busy always has reads in flight, and wants each to end once, with what is in the file. */
static void part_busy(void)
{
	aio_context_t c = setup(DEPTH);
	int fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0600), efd = eventfd(0, EFD_NONBLOCK);
	uint64_t ended = 0, told = 0;
	struct io_event e;
	unsigned block, slot, next;

	MUST((buffers = mmap(0, DEPTH * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED);
	for (unsigned i = 0; i < BLOCKS; i++) {
		memset(buffers, 1 + i, BLOCK);
		MUST(write(fd, buffers, BLOCK) == BLOCK);
	}
	MUST(!fsync(fd) && !close(fd));
	if ((fd = open("data", O_RDONLY | O_DIRECT)) < 0)
		fd = open("data", O_RDONLY); /* a tmpfs, where reads end at once */
	MUST(fd >= 0);
	for (next = 0; next < DEPTH; next++)
		read_block(c, fd, next, next % BLOCKS, efd);
	ready();
	while (!checking() && !target_failed) {
		CHECK(fetch(c, 1, &e) == 1, "no event: %s", strerror(errno));
		ended++;
		block = e.data >> 8;
		slot = e.data & 255;
		CHECK(e.res == BLOCK && e.obj == (uintptr_t)&cbs[slot], "block %u: result %lld", block, (long long)e.res);
		for (int i = 0; i < BLOCK; i += 512)
			CHECK(buffers[slot * BLOCK + i] == (char)(1 + block), "block %u has %d at %d", block, buffers[slot * BLOCK + i], i);
		read_block(c, fd, slot, next++ % BLOCKS, efd);
	}
	for (int i = 0; i < DEPTH; i++, ended++)
		CHECK(fetch(c, 1, &e) == 1 && e.res == BLOCK, "one of the last: %s", strerror(errno));
	CHECK(read(efd, &told, 8) == 8 && told == ended, "%llu ended, %llu were told", (unsigned long long)ended, (unsigned long long)told);
}

/* part_poll has a request that ends when somebody writes to a pipe. */
static void part_poll(void)
{
	aio_context_t c = setup(8);
	struct io_event e = {};
	struct iocb cb = { .aio_data = 5, .aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = POLLIN };
	int p[2];

	MUST(!pipe(p));
	cb.aio_fildes = p[0];
	MUST(submit(c, &cb) == 1);
	ready();
	await_check();
	CHECK(write(p[1], "x", 1) == 1 && fetch(c, 1, &e) == 1 && e.data == 5 && e.res & POLLIN, "event %lld, result %lld", (long long)e.data, (long long)e.res);
}

/* part_file reads from a file that somebody else serves; several times, again and again. */
static void part_file(const char *name, int again)
{
	aio_context_t c = setup(8);
	int fd = open(name, O_RDONLY | O_DIRECT), n = again ? 8 : 1;
	struct io_event e = {};

	MUST(fd >= 0 && (buffers = mmap(0, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED);
	cbs[0] = (struct iocb){ .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd, .aio_buf = (uintptr_t)buffers, .aio_nbytes = PAGE };
	for (int i = 0; i < n; i++)
		MUST(submit(c, &cbs[0]) == 1);
	ready();
	if (!again)
		await_check();
	while (again && !checking()) {
		CHECK(fetch(c, 1, &e) == 1 && e.res == PAGE && buffers[PAGE - 1] == 'x', "result %lld", (long long)e.res);
		CHECK(submit(c, &cbs[0]) == 1, "submit: %s", strerror(errno));
	}
	for (int i = 0; i < n; i++)
		CHECK(fetch(c, 1, &e) == 1 && e.res == PAGE && buffers[PAGE - 1] == 'x', "one of the last: result %lld", (long long)e.res);
}

/* part_ring does something to the ring itself. */
static void part_ring(const char *how)
{
	aio_context_t c = setup(1000);

	MUST(tell(c, 1, 0) == 1);
	if (!strcmp(how, "protected"))
		MUST(!mprotect((void *)c, ring_size(c), PROT_READ));
	else if (!strcmp(how, "cut"))
		MUST(!munmap((void *)c + PAGE, ring_size(c) - PAGE));
	else if (!strcmp(how, "overwritten"))
		ring_of(c)->nr = 5;
	else
		MUST(!"no such part");
	ready();
	await_check();
}

int main(int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = { { "rings", part_rings }, { "many", part_many }, { "inherited", part_inherited }, { "unmapped", part_unmapped },
		      { "busy", part_busy },   { "poll", part_poll } };

	MUST((null = open("/dev/null", O_WRONLY)) >= 0);
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(part, parts[i].name))
			continue;
		parts[i].run();
		return verdict();
	}
	if (argc > 2)
		part_file(argv[2], !strcmp(part, "slow"));
	else
		part_ring(part);
	return verdict();
}
