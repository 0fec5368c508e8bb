/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fanotify: marks on a file, on a directory and on a mount, with and without what is ignored;
 * "decides": a listener that others wait for; "whole": a mark on a file system.
 */
#include "target.h"
#include <limits.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/stat.h>

static int fan;

/* seen counts events about a file, and forgets the others. */
static int seen(const char *name, uint64_t mask)
{
	char buf[65536], link[64], path[PATH_MAX];
	struct fanotify_event_metadata *e;
	int n = 0;

	for (ssize_t len; (len = read(fan, buf, sizeof(buf))) > 0;)
		for (e = (void *)buf; FAN_EVENT_OK(e, len); e = FAN_EVENT_NEXT(e, len)) {
			snprintf(link, sizeof(link), "/proc/self/fd/%d", e->fd);
			memset(path, 0, sizeof(path));
			if (readlink(link, path, sizeof(path) - 1) > 0 && strstr(path, name) && e->mask & mask)
				n++;
			close(e->fd);
		}
	return n;
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);

	CHECK(fd >= 0 && write(fd, "x", 1) == 1, "%s: %s", path, strerror(errno));
	close(fd);
}

int main(int argc, char **argv)
{
	MUST((fan = fanotify_init(FAN_CLASS_CONTENT | FAN_NONBLOCK | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE, O_RDONLY | O_LARGEFILE | O_CLOEXEC)) == 3);
	touch("file");
	MUST(!mkdir("dir", 0755));
	touch("dir/within");
	touch("dir/quiet");
	touch("asked");
	if (argc > 1 && !strcmp(argv[1], "decides"))
		MUST(!fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, "asked"));
	else if (argc > 1)
		MUST(!fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, AT_FDCWD, "/dev/shm"));
	MUST(!fanotify_mark(fan, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, "file"));
	MUST(!fanotify_mark(fan, FAN_MARK_ADD, FAN_MODIFY | FAN_EVENT_ON_CHILD, AT_FDCWD, "dir"));
	MUST(!fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_MODIFY, AT_FDCWD, "dir/quiet"));
	MUST(!fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, AT_FDCWD, "/dev/shm"));
	seen("", ~0ULL);
	ready();
	await_check();
	seen("", ~0ULL);
	touch("file");
	CHECK(seen("/file", FAN_MODIFY) == 1, "the file's change is not seen");
	touch("dir/within");
	CHECK(seen("/dir/within", FAN_MODIFY) == 1, "the change in the directory is not seen");
	touch("dir/quiet");
	CHECK(seen("/dir/quiet", FAN_MODIFY) == 0, "what is ignored is seen");
	close(open("/dev/shm", O_RDONLY | O_DIRECTORY));
	touch("/dev/shm/fastcr-test-fanotify");
	CHECK(seen("/dev/shm/fastcr-test-fanotify", FAN_OPEN) == 1, "the mount's opens are not seen");
	unlink("/dev/shm/fastcr-test-fanotify");
	CHECK(fcntl(fan, F_GETFL) & O_NONBLOCK && fcntl(fan, F_GETFD) == FD_CLOEXEC, "flags");
	return verdict();
}
