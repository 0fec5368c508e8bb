// SPDX-License-Identifier: Apache-2.0
/*
 * What a process has besides memory, threads and files. The argument names the part:
 *	limits		resource limits
 *	attributes	umask, personality, names, membarrier, …
 *	identity	users, groups, capabilities, securebits, no_new_privs, login user
 *	user		all of it gone: an ordinary user
 *	chroot		another root and working directory ("root/sub", made by the harness)
 */
#include "target.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define GET_REGISTRATIONS (1 << 9) /* MEMBARRIER_CMD_GET_REGISTRATIONS, Linux 6.3 */

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	MUST(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void check_file(const char *path, const char *want)
{
	char text[128] = "";
	int fd = open(path, O_RDONLY), n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n < 0 ? 0 : n] = 0;
	text[strcspn(text, "\n")] = 0;
	CHECK(!strcmp(text, want), "%s is %s, was %s", path, text, want);
}

static struct rlimit limits[RLIM_NLIMITS];

/* Lower than what is there: raising needs a capability. */
static void set_limits(void)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit l;

		MUST(getrlimit(i, &l) == 0);
		l.rlim_max = l.rlim_max == RLIM_INFINITY ? (1UL << 40) + 4096UL * i : l.rlim_max - l.rlim_max / 8;
		if (i == RLIMIT_CPU)
			l.rlim_max = 100000;
		l.rlim_cur = l.rlim_max - l.rlim_max / 4;
		if (i == RLIMIT_CORE)
			l.rlim_cur = 0;
		if (i == RLIMIT_RSS)
			l.rlim_cur = l.rlim_max = RLIM_INFINITY;
		if (i == RLIMIT_RSS && setrlimit(i, &l) != 0)
			continue;
		MUST(setrlimit(i, &l) == 0);
	}
	for (int i = 0; i < RLIM_NLIMITS; i++)
		MUST(getrlimit(i, &limits[i]) == 0);
}

static void check_limits(void)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit l = { 0, 0 };

		getrlimit(i, &l);
		CHECK(l.rlim_cur == limits[i].rlim_cur && l.rlim_max == limits[i].rlim_max, "limit %d is %lu/%lu, was %lu/%lu", i,
		      l.rlim_cur, l.rlim_max, limits[i].rlim_cur, limits[i].rlim_max);
	}
}

static int registrations;

static void set_attributes(void)
{
	umask(0137);
	MUST(personality(ADDR_NO_RANDOMIZE | SHORT_INODE) >= 0);
	put("/proc/self/comm", "a (strange) one");
	put("/proc/self/oom_score_adj", "417");
	MUST(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
	MUST(prctl(PR_SET_DUMPABLE, 0) == 0);
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	MUST(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0);
	MUST(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0);
	MUST(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) == 0);
	registrations = syscall(SYS_membarrier, GET_REGISTRATIONS, 0, 0);
}

static void check_attributes(void)
{
	char name[16] = "";
	int reaper = 0;

	CHECK(umask(0) == 0137, "umask");
	if (checked_live()) /* criu's restore does not set what the image says */
		CHECK(personality(0xffffffff) == (ADDR_NO_RANDOMIZE | SHORT_INODE), "personality %x", personality(0xffffffff));
	prctl(PR_GET_NAME, name);
	CHECK(!strcmp(name, "a (strange) one"), "comm is %s", name);
	check_file("/proc/self/oom_score_adj", "417");
	CHECK(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1, "THP disable");
	CHECK(prctl(PR_GET_DUMPABLE) == 0, "dumpable is %d", prctl(PR_GET_DUMPABLE));
	prctl(PR_GET_CHILD_SUBREAPER, &reaper);
	CHECK(reaper == 1, "child subreaper");
	if (registrations >= 0)
		CHECK(syscall(SYS_membarrier, GET_REGISTRATIONS, 0, 0) == registrations, "membarrier registrations %lx, were %x",
		      syscall(SYS_membarrier, GET_REGISTRATIONS, 0, 0), registrations);
	CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0, "membarrier: %s", strerror(errno));
	CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) == 0, "membarrier: %s", strerror(errno));
}

static struct identity {
	uid_t uid[3], fsuid;
	gid_t gid[3], fsgid, groups[64];
	int ngroups, securebits, no_new_privs, keep, bounding[64], ambient[64];
	struct __user_cap_data_struct caps[2];
} me;

static void get_identity(struct identity *id)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };

	memset(id, 0, sizeof(*id));
	getresuid(&id->uid[0], &id->uid[1], &id->uid[2]);
	getresgid(&id->gid[0], &id->gid[1], &id->gid[2]);
	id->fsuid = setfsuid(-1);
	id->fsgid = setfsgid(-1);
	id->ngroups = getgroups(64, id->groups);
	id->securebits = prctl(PR_GET_SECUREBITS);
	id->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	id->keep = prctl(PR_GET_KEEPCAPS);
	for (int c = 0; c < 64; c++) {
		id->bounding[c] = prctl(PR_CAPBSET_READ, c);
		id->ambient[c] = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0);
	}
	syscall(SYS_capget, &h, id->caps);
}

static void set_groups(int n)
{
	gid_t groups[64];

	for (int i = 0; i < n; i++)
		groups[i] = 3000 + 7 * i;
	MUST(setgroups(n, groups) == 0);
}

/* A root that has little of root left. */
static void set_identity(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2];

	put("/proc/self/loginuid", "1234");
	set_groups(40);
	MUST(setresgid(11, 22, 33) == 0);
	setfsgid(44);
	MUST(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT) == 0 && prctl(PR_CAPBSET_DROP, CAP_MKNOD) == 0);
	MUST(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED) == 0);
	MUST(setresuid(0, 0, 55) == 0);
	setfsuid(66);
	MUST(syscall(SYS_capget, &h, caps) == 0);
	caps[0].permitted &= ~(1U << CAP_SYS_TIME | 1U << CAP_SYS_BOOT);
	caps[0].effective = caps[0].permitted & ~(1U << CAP_SYS_NICE | 1U << CAP_NET_RAW);
	caps[0].inheritable = 1U << CAP_CHOWN | 1U << CAP_KILL;
	MUST(syscall(SYS_capset, &h, caps) == 0);
	MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0) == 0);
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	get_identity(&me);
}

static void set_user(void)
{
	set_groups(3);
	MUST(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
	get_identity(&me);
}

static void check_identity(void)
{
	struct identity id;

	get_identity(&id);
	CHECK(!memcmp(id.uid, me.uid, sizeof(id.uid)) && id.fsuid == me.fsuid, "uids %d %d %d %d", id.uid[0], id.uid[1], id.uid[2],
	      id.fsuid);
	CHECK(!memcmp(id.gid, me.gid, sizeof(id.gid)) && id.fsgid == me.fsgid, "gids %d %d %d %d", id.gid[0], id.gid[1], id.gid[2],
	      id.fsgid);
	CHECK(id.ngroups == me.ngroups && !memcmp(id.groups, me.groups, sizeof(id.groups)), "%d groups, were %d", id.ngroups,
	      me.ngroups);
	CHECK(id.securebits == me.securebits, "securebits %x, were %x", id.securebits, me.securebits);
	CHECK(id.no_new_privs == me.no_new_privs, "no_new_privs %d, was %d", id.no_new_privs, me.no_new_privs);
	CHECK(!memcmp(id.bounding, me.bounding, sizeof(id.bounding)), "bounding set");
	CHECK(!memcmp(id.ambient, me.ambient, sizeof(id.ambient)), "ambient set");
	CHECK(!memcmp(id.caps, me.caps, sizeof(id.caps)), "capabilities");
}

static void set_chroot(void)
{
	int fd;

	MUST(chroot("..") == 0); /* started in root/sub */
	MUST((fd = open("/inside", O_RDWR | O_CREAT, 0666)) >= 0);
	dup2(fd, 50);
	close(fd);
}

static void check_chroot(void)
{
	struct stat root, parent, inside, fd;
	char cwd[256] = "";

	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/sub"), "cwd is %s", cwd);
	CHECK(stat("/", &root) == 0 && stat("..", &parent) == 0 && root.st_ino == parent.st_ino, "the root is not the root");
	CHECK(stat("/inside", &inside) == 0 && fstat(50, &fd) == 0 && inside.st_ino == fd.st_ino, "a file inside is another one");
	CHECK(access("/proc/self", F_OK) < 0, "the root is the machine's");
}

static const struct part {
	const char *name;
	void (*set)(void), (*check)(void);
} parts[] = {
	{ "limits", set_limits, check_limits },	    { "attributes", set_attributes, check_attributes },
	{ "identity", set_identity, check_identity }, { "user", set_user, check_identity },
	{ "chroot", set_chroot, check_chroot },
};

int main(int argc, char **argv)
{
	const struct part *p = NULL;

	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (argc > 1 && !strcmp(argv[1], parts[i].name))
			p = &parts[i];
	MUST(p != NULL);
	p->set();
	ready();
	await_check();
	p->check();
	return verdict();
}
