/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A POSIX message queue with messages in it, opened twice. "unlinked": it has no name any more;
 * "notified": the program asked to be told of the next message. Its name is in the file "name".
 */
#include "target.h"
#include <mqueue.h>

static void put(mqd_t q, const char *text, unsigned priority)
{
	CHECK(mq_send(q, text, strlen(text) + 1, priority) == 0, "mq_send: %s", strerror(errno));
}

static void take(mqd_t q, const char *text, unsigned priority)
{
	char got[64] = "";
	unsigned p = 0;

	CHECK(mq_receive(q, got, sizeof(got), &p) == (ssize_t)strlen(text) + 1 && !strcmp(got, text) && p == priority,
	      "message %s of priority %u: %s", got, p, strerror(errno));
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 64 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	char name[64], got[64];
	mqd_t q, sender;
	FILE *f;

	snprintf(name, sizeof(name), "/fastcr-test-%d", getpid());
	q = mq_open(name, O_RDONLY | O_NONBLOCK | O_CREAT | O_EXCL, 0640, &attr);
	MUST(q == 3);
	MUST((f = fopen("name", "w")) && fputs(name + 1, f) >= 0 && fclose(f) == 0);
	MUST((sender = mq_open(name, O_WRONLY)) == 4);
	if (!strcmp(mode, "unlinked"))
		MUST(mq_unlink(name) == 0);
	if (!strcmp(mode, "notified"))
		MUST(mq_notify(q, &event) == 0);
	if (!strcmp(mode, "with messages")) {
		put(sender, "first", 1);
		put(sender, "urgent", 9);
	}
	ready();
	await_check();
	if (strcmp(mode, "with messages"))
		return verdict();
	CHECK(mq_getattr(q, &attr) == 0 && attr.mq_maxmsg == 4 && attr.mq_msgsize == 64 && attr.mq_flags == O_NONBLOCK && attr.mq_curmsgs == 2,
	      "%ld of %ld messages, flags %lx", attr.mq_curmsgs, attr.mq_maxmsg, attr.mq_flags);
	CHECK(mq_getattr(sender, &attr) == 0 && !attr.mq_flags, "the sender has flags %lx", attr.mq_flags);
	CHECK(mq_receive(sender, got, sizeof(got), NULL) < 0 && errno == EBADF, "the sender receives");
	take(q, "urgent", 9);
	take(q, "first", 1);
	CHECK(mq_receive(q, got, sizeof(got), NULL) < 0 && errno == EAGAIN, "there is one more: %s", strerror(errno));
	put(sender, "first", 1); /* who is restored later finds them again */
	put(sender, "urgent", 9);
	return verdict();
}
