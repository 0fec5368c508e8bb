/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* iter/task_file: every descriptor of a table, and what its kind has. */
#include "path.h"
#include "emit.h"
#include "pidns.h"
#include "file_anon.h"
#include "file_epoll.h"
#include "file_inet.h"
#include "file_inotify.h"
#include "file_lock.h"
#include "file_memfd.h"
#include "file_netlink.h"
#include "file_packet.h"
#include "file_pidfd.h"
#include "file_pipe.h"
#include "file_socket.h"
#include "file_tty.h"
#include "file_unix.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define S_IFMT 0170000
#define S_IFIFO 0010000
#define S_IFCHR 0020000
#define S_IFREG 0100000
#define FMODE_PATH 0x4000 /* O_PATH: the file was not opened, it has no state */
#define ANON_INODE_FS_MAGIC 0x09041934
#define PID_FS_MAGIC 0x50494446
#define SOCKFS_MAGIC 0x534f434b

/* Belongs to the reading thread, like thread.bpf.c's. */
struct file_scratch {
	struct file_rec rec;
	char text[PATH_MOST];
	struct list_walk walk;
	/* Whose descriptors the last call was for: its ids are worked out once a task. */
	__u64 session, task;
	__u32 raw_tid;
	struct reader_ns ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct file_scratch);
} file_scratch SEC(".maps");

static __always_inline void fill_owner(struct file_rec *r, struct file *file, const struct reader_ns *ns)
{
	struct fown_struct *o = file_owner(file);

	r->owner_pid = r->owner_type = r->owner_uid = r->owner_euid = r->owner_signum = 0;
	if (!o)
		return;
	r->owner_signum = BPF_CORE_READ(o, signum);
	r->owner_pid = pid_in(BPF_CORE_READ(o, pid), ns);
	if (!r->owner_pid)
		return;
	r->owner_type = BPF_CORE_READ(o, pid_type);
	r->owner_uid = BPF_CORE_READ(o, uid.val);
	r->owner_euid = BPF_CORE_READ(o, euid.val);
}

static __always_inline __u32 close_on_exec(struct fdtable *fdt, __u32 fd)
{
	unsigned long word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), fdt->close_on_exec + fd / 64);
	return word >> (fd % 64) & 1;
}

static __always_inline __u32 file_what(const struct file_rec *r, struct file *file, struct dentry *d)
{
	if (r->mode & FMODE_PATH)
		return FILE_PLAIN;
	if (r->path.magic == PID_FS_MAGIC)
		return FILE_PIDFD;
	switch (r->path.mode & S_IFMT) {
	case S_IFREG:
		return is_memfd(&r->path, d) ? FILE_MEMFD : FILE_PLAIN;
	case S_IFIFO:
		return FILE_PIPE;
	case S_IFCHR:
		return file_tty(file) ? FILE_TTY : FILE_PLAIN;
	}
	if (r->path.magic == SOCKFS_MAGIC)
		return FILE_SOCKET;
	if (r->path.magic == ANON_INODE_FS_MAGIC)
		return anon_what(d);
	return FILE_PLAIN;
}

static __always_inline void fill_ids(struct file_scratch *s, struct task_struct *t, __u64 session)
{
	if (s->session == session && s->task == (__u64)t && s->raw_tid == t->pid)
		return;
	s->ns = reader_pidns();
	s->rec.tgid = pid_in(t->group_leader->thread_pid, &s->ns);
	s->rec.tid = pid_in(t->thread_pid, &s->ns);
	s->session = session;
	s->task = (__u64)t;
	s->raw_tid = t->pid;
}

/* The record of the file has been written: its text is free to be used. */
static __always_inline void emit_what(struct seq_file *seq, struct file_scratch *s, struct file *file)
{
	switch (s->rec.what) {
	case FILE_PIPE:
		emit_pipe(seq, file);
		break;
	case FILE_TTY:
		emit_tty(seq, file, &s->ns, (void *)s->text);
		break;
	case FILE_EVENTFD:
		emit_eventfd(seq, file);
		break;
	case FILE_SIGNALFD:
		emit_signalfd(seq, file);
		break;
	case FILE_TIMERFD:
		emit_timerfd(seq, file);
		break;
	case FILE_EPOLL:
		emit_epoll(seq, &s->walk, 0, WATCHES_FIRST);
		break;
	case FILE_FANOTIFY:
		emit_fanotify(seq, file);
		emit_inotify(seq, &s->walk, s->text, 0, MARKS_FIRST);
		break;
	case FILE_INOTIFY:
		emit_inotify(seq, &s->walk, s->text, 0, MARKS_FIRST);
		break;
	case FILE_MEMFD:
		emit_memfd(seq, file);
		break;
	case FILE_PIDFD:
		emit_pidfd(seq, file, s->rec.path.magic == PID_FS_MAGIC, &s->ns);
		break;
	case FILE_SOCKET:
		emit_messages(seq, &s->walk);
		emit_socket(seq, file, (void *)s->text);
		emit_unix(seq, file, (void *)s->text);
		emit_inet(seq, file, (void *)s->text);
		emit_netlink(seq, file);
		emit_packet(seq, file, (void *)s->text);
		emit_members(seq, &s->walk, 0, MEMBERS_FIRST);
		break;
	}
}

static __always_inline void start_walk(struct list_walk *w, struct file *file, struct task_struct *t, __u32 tgid, __u32 tid, __u32 fd)
{
	w->file = (__u64)file;
	w->table = (__u64)t->files;
	w->tgid = tgid;
	w->tid = tid;
	w->fd = fd;
	w->raw_tgid = t->tgid;
}

SEC("iter/task_file")
int dump_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task, *t;
	struct file *file = ctx->file, *f;
	struct seq_file *seq = ctx->meta->seq;
	struct file_scratch *s;
	struct dentry *d;
	struct inode *i;
	__u64 text;

	if (!task || !file)
		return emit_end(seq);
	s = bpf_task_storage_get(&file_scratch, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s)
		return 1; /* no memory: once more */
	t = plain(struct task_struct, task);
	f = plain(struct file, file);
	d = f->f_path.dentry;
	i = f->f_inode;
	s->rec.head.type = REC_FILE;
	s->rec.table = (__u64)t->files;
	s->rec.file = (__u64)file;
	fill_ids(s, t, ctx->meta->session_id);
	s->rec.fd = ctx->fd;
	s->rec.cloexec = close_on_exec(t->files->fdt, ctx->fd);
	s->rec.flags = f->f_flags;
	s->rec.mode = f->f_mode;
	s->rec.pos = f->f_pos;
	fill_owner(&s->rec, f, &s->ns);
	fill_inode(&s->rec.path, f->f_path.mnt, d, i);
	s->rec.what = file_what(&s->rec, f, d);
	text = fill_text(&s->rec.path, s->text, &file->f_path);
	s->rec.head.len = sizeof(s->rec) + text;
	if (text <= PATH_MOST)
		bpf_seq_write(seq, s, sizeof(s->rec) + text);
	if (s->rec.what == FILE_PLAIN && !i->i_flctx)
		return 0;
	start_walk(&s->walk, file, t, s->rec.tgid, s->rec.tid, s->rec.fd);
	s->walk.again = 0;
	emit_what(seq, s, file);
	if (i->i_flctx)
		emit_locks(seq, &s->walk, 0, LOCKS_FIRST);
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct file_place);
} file_cursor SEC(".maps");

/* Reads what one file has too much of for dump_file, from a cursor on. */
SEC("iter/task")
int more_file(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *t, *cur;
	struct seq_file *seq = ctx->meta->seq;
	struct file_scratch *s;
	struct file_place *c;
	struct reader_ns ns;
	struct fdtable *fdt;
	struct file *f = 0;

	if (!task)
		return emit_end(seq);
	cur = bpf_get_current_task_btf();
	c = bpf_task_storage_get(&file_cursor, cur->group_leader, 0, 0);
	if (!c)
		return 0;
	t = plain(struct task_struct, task);
	ns = reader_pidns();
	if (pid_in(t->thread_pid, &ns) != c->tid || !t->files)
		return 0;
	s = bpf_task_storage_get(&file_scratch, cur, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s)
		return 1; /* no memory: once more */
	fdt = t->files->fdt;
	if (c->fd < fdt->max_fds)
		bpf_probe_read_kernel(&f, sizeof(f), fdt->fd + c->fd);
	start_walk(&s->walk, (void *)c->file, t, pid_in(t->group_leader->thread_pid, &ns), c->tid, c->fd);
	s->walk.again = 1;
	if ((__u64)f != c->file) {
		s->walk.changed = LIST_GONE;
		list_more(seq, &s->walk, c->type, 0, 0);
		return 0;
	}
	switch (c->type) {
	case REC_FILE_WATCH:
		emit_epoll(seq, &s->walk, c->next, WATCHES_MORE);
		break;
	case REC_FILE_MARK:
		emit_inotify(seq, &s->walk, s->text, c->next, MARKS_MORE);
		break;
	case REC_FILE_LOCK:
		emit_locks(seq, &s->walk, c->skip, LOCKS_MORE);
		break;
	case REC_FILE_MEMBER:
		emit_members(seq, &s->walk, c->skip, MEMBERS_MORE);
		break;
	}
	return 0;
}
