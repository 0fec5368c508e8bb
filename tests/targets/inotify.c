/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify instances: watches on files and a directory, two on one file, numbers with
 * gaps; "queued": events that wait; "deleted": a file without a name; "lost DIR": files in a directory there,
 * which nobody has open and the kernel may forget the names of; "lost directory DIR": only the directory.
 */
#include "target.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

static char events[65536];
static size_t have;

/* collect reads what is queued; what criu itself does with its ghosts is not ours. */
static void collect(int fd)
{
	have = 0;
	for (;;) {
		ssize_t n = read(fd, events + have, sizeof(events) - have);

		if (n <= 0)
			break;
		have += n;
	}
}

static int got(int wd, uint32_t mask, const char *name)
{
	int n = 0;

	for (size_t at = 0; at < have;) {
		struct inotify_event *e = (void *)(events + at);

		at += sizeof(*e) + e->len;
		if (e->len && (strstr(e->name, ".ghost") || strstr(e->name, "link_remap")))
			continue;
		if (e->wd == wd && e->mask & mask && (!name || (e->len && !strcmp(e->name, name))))
			n++;
	}
	return n;
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);

	if (fd < 0 || write(fd, "x", 1) != 1)
		fail("write %s: %s", path, strerror(errno));
	close(fd);
}

static int watch(int fd, const char *path, uint32_t mask)
{
	int wd = inotify_add_watch(fd, path, mask);

	MUST(wd > 0);
	return wd;
}

/* The whole path is as long as it may be, with characters that mountinfo would escape. */
static const char *deep(void)
{
	static char path[3000] = "sub dir\\";

	for (int i = 0; i < 10; i++) {
		memset(path + strlen(path), 0, 1);
		strcat(path, "/");
		memset(path + strlen(path), 'a' + i, 200);
		MUST(mkdir(path, 0755) == 0);
	}
	strcat(path, "/file");
	return path;
}

static void watches(void)
{
	int a = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), b = inotify_init1(IN_NONBLOCK), empty = inotify_init1(IN_NONBLOCK);
	int file, dir, gone, other, far, again, root;
	const char *path;

	MUST(a >= 0 && b >= 0 && empty >= 0 && mkdir("sub dir\\", 0755) == 0);
	touch("file");
	touch("gone");
	touch("other");
	path = deep();
	touch(path);
	file = watch(a, "file", IN_MODIFY | IN_ATTRIB);
	gone = watch(a, "gone", IN_ALL_EVENTS);
	MUST(inotify_rm_watch(a, gone) == 0);
	gone = watch(a, "gone", IN_ALL_EVENTS);
	dir = watch(a, "sub dir\\", IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO);
	MUST(inotify_rm_watch(a, gone) == 0);
	far = watch(a, path, IN_CLOSE_WRITE);
	other = watch(b, "file", IN_OPEN);
	root = watch(b, "/", IN_CREATE | IN_ONLYDIR);
	again = watch(b, ".", IN_MOVED_TO);
	MUST(rename("file", "moved") == 0);
	collect(a);
	collect(b);

	ready();
	await_check();
	CHECK(root != again && root > 0, "wds %d %d", root, again);
	collect(a);
	CHECK(have == 0, "%zu bytes of events that nobody caused", have);
	collect(b);
	collect(empty);
	CHECK(have == 0, "events of nothing");
	touch("moved");
	touch(path);
	touch("sub dir\\/new");
	unlink("sub dir\\/new");
	CHECK(rename("other", "another") == 0 && rename("another", "other") == 0, "rename: %s", strerror(errno));
	collect(a);
	CHECK(got(file, IN_MODIFY, NULL) == 1, "%d changes of the file", got(file, IN_MODIFY, NULL));
	CHECK(got(far, IN_CLOSE_WRITE, NULL) == 1, "%d closes of the deep file", got(far, IN_CLOSE_WRITE, NULL));
	CHECK(got(dir, IN_CREATE, "new") == 1 && got(dir, IN_DELETE, "new") == 1, "the directory's events");
	CHECK(got(gone, ~0, NULL) == 0, "events of a watch that was removed");
	collect(b);
	CHECK(got(other, IN_OPEN, NULL) == 1, "%d opens", got(other, IN_OPEN, NULL));
	CHECK(got(again, IN_MOVED_TO, "another") == 1, "nothing moved");
	CHECK(fcntl(a, F_GETFD) == FD_CLOEXEC && fcntl(b, F_GETFD) == 0, "close-on-exec");
	CHECK(fcntl(a, F_GETFL) & O_NONBLOCK, "O_NONBLOCK");
	CHECK(watch(a, "sub dir\\", IN_CREATE) == dir, "the directory is watched twice");
	CHECK(watch(a, ".", IN_CREATE) > far, "the next number was used before");
}

/* Queued events are lost to a restored program, as criu has it, and only to that. */
static void queued(void)
{
	int fd = inotify_init1(IN_NONBLOCK), wd;

	MUST(fd >= 0);
	touch("file");
	wd = watch(fd, "file", IN_MODIFY);
	touch("file");
	ready();
	await_check();
	collect(fd);
	CHECK(got(wd, IN_MODIFY, NULL) == !!checked_live(), "%d queued events", got(wd, IN_MODIFY, NULL));
	touch("file");
	collect(fd);
	CHECK(got(wd, IN_MODIFY, NULL) == 1, "%d events", got(wd, IN_MODIFY, NULL));
}

/* criu would make a ghost of the file, and lose the watch as it unlinks that. */
static void deleted(void)
{
	int fd = inotify_init1(IN_NONBLOCK), f, wd;

	MUST(fd >= 0 && (f = open("file", O_RDWR | O_CREAT, 0644)) >= 0);
	wd = watch(fd, "file", IN_MODIFY);
	MUST(unlink("file") == 0);
	ready();
	await_check();
	CHECK(write(f, "x", 1) == 1, "write: %s", strerror(errno));
	collect(fd);
	CHECK(got(wd, IN_MODIFY, NULL) == 1, "%d changes", got(wd, IN_MODIFY, NULL));
}

/* The harness has the names forgotten, or hidden until it asks for the verdict. */
static void lost(const char *dir, int files)
{
	int fd = inotify_init1(IN_NONBLOCK), in, wd, linked;
	char path[256], other[256];

	MUST(fd >= 0 && (!access(dir, F_OK) || mkdir(dir, 0755) == 0));
	snprintf(path, sizeof(path), "%s/file", dir);
	touch(path);
	wd = watch(fd, path, IN_MODIFY);
	in = watch(fd, dir, IN_CREATE);
	snprintf(path, sizeof(path), "%s/first", dir);
	snprintf(other, sizeof(other), "%s/second", dir);
	touch(path);
	linked = watch(fd, path, IN_MODIFY);
	MUST(link(path, other) == 0 && unlink(path) == 0);
	if (!files)
		MUST(inotify_rm_watch(fd, wd) == 0 && inotify_rm_watch(fd, linked) == 0);
	collect(fd);
	ready();
	await_check();
	collect(fd);
	CHECK(have == 0, "%zu bytes of events that nobody caused", have);
	touch(other);
	snprintf(path, sizeof(path), "%s/file", dir);
	touch(path);
	snprintf(path, sizeof(path), "%s/new", dir);
	touch(path);
	collect(fd);
	CHECK(got(wd, IN_MODIFY, NULL) == files, "%d changes of the file", got(wd, IN_MODIFY, NULL));
	CHECK(got(linked, IN_MODIFY, NULL) == files, "%d changes by the other name", got(linked, IN_MODIFY, NULL));
	CHECK(got(in, IN_CREATE, "new") == 1, "the directory's event");
	unlink(path);
}

int main(int argc, char **argv)
{
	if (argc > 2)
		lost(argv[2], !strcmp(argv[1], "lost"));
	else if (argc > 1 && !strcmp(argv[1], "queued"))
		queued();
	else if (argc > 1 && !strcmp(argv[1], "deleted"))
		deleted();
	else
		watches();
	return verdict();
}
