/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* iter/task_file: every descriptor of a table, and what its kind has. */
#include "path.h"
#include "emit.h"
#include "pidns.h"
#include "file_kinds.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define S_IFMT 0170000
#define S_IFIFO 0010000
#define S_IFCHR 0020000
#define S_IFSOCK 0140000
#define ANON_INODE_MAGIC 0x09041934
#define MAJOR(dev) ((dev) >> 20)
#define MINOR(dev) ((dev) & 0xfffff)
#define O_CLOEXEC 02000000

/* Belongs to the reading thread, like thread.bpf.c's. */
struct file_scratch {
	struct file_rec rec;
	char text[PATH_MOST];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct file_scratch);
} file_scratch SEC(".maps");

static __always_inline bool is_tty(__u32 rdev)
{
	__u32 major = MAJOR(rdev);

	return major == 4 || major == 5 || (major >= 136 && major <= 143) || major == 204 || major == 229;
}

static __always_inline void fill_owner(struct file_rec *r, struct file *file, const struct reader_ns *ns)
{
	struct fown_struct *o = file_owner(file);

	r->owner_pid = r->owner_type = r->owner_uid = r->owner_euid = r->owner_signum = 0;
	if (!o)
		return;
	r->owner_pid = pid_in(BPF_CORE_READ(o, pid), ns);
	r->owner_type = BPF_CORE_READ(o, pid_type);
	r->owner_uid = BPF_CORE_READ(o, uid.val);
	r->owner_euid = BPF_CORE_READ(o, euid.val);
	r->owner_signum = BPF_CORE_READ(o, signum);
}

static __always_inline __u32 close_on_exec(struct files_struct *files, __u32 fd)
{
	unsigned long *bits = BPF_CORE_READ(files, fdt, close_on_exec), word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), bits + fd / 64);
	return word >> (fd % 64) & 1;
}

/* What the kind of file has besides what every file has; the path has been written, its memory is free. */
static __always_inline void emit_kind(struct seq_file *seq, struct file_scratch *s, struct file *file, const struct reader_ns *ns)
{
	struct file_rec *r = &s->rec;
	__u32 type = r->path.mode & S_IFMT;

	if (type == S_IFIFO)
		emit_pipe(seq, file);
	else if (type == S_IFCHR && is_tty(r->path.rdev))
		emit_tty(seq, file, ns, (void *)s->text);
	else if (type == S_IFSOCK)
		emit_socket(seq, file, (void *)s->text);
	else if (r->path.magic == ANON_INODE_MAGIC)
		emit_anon(seq, file, r->anon);
}

SEC("iter/task_file")
int dump_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct seq_file *seq = ctx->meta->seq;
	struct file_scratch *s;
	struct reader_ns ns;
	struct dentry *d;
	__u64 text;

	if (!task || !file)
		return emit_end(seq);
	s = bpf_task_storage_get(&file_scratch, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s)
		return 1; /* no memory: once more */
	ns = reader_pidns();
	s->rec.head.type = REC_FILE;
	s->rec.table = (__u64)BPF_CORE_READ(task, files);
	s->rec.file = (__u64)file;
	s->rec.tgid = pid_in(BPF_CORE_READ(task, group_leader, thread_pid), &ns);
	s->rec.tid = pid_in(BPF_CORE_READ(task, thread_pid), &ns);
	s->rec.fd = ctx->fd;
	s->rec.cloexec = close_on_exec(BPF_CORE_READ(task, files), ctx->fd);
	s->rec.flags = BPF_CORE_READ(file, f_flags) & ~O_CLOEXEC;
	s->rec.mode = BPF_CORE_READ(file, f_mode);
	s->rec.pos = BPF_CORE_READ(file, f_pos);
	s->rec.anon = 0;
	fill_owner(&s->rec, file, &ns);
	d = BPF_CORE_READ(file, f_path.dentry);
	fill_inode(&s->rec.path, BPF_CORE_READ(file, f_path.mnt), d, BPF_CORE_READ(file, f_inode));
	if (s->rec.path.magic == ANON_INODE_MAGIC)
		bpf_probe_read_kernel(&s->rec.anon, sizeof(s->rec.anon), BPF_CORE_READ(d, d_name.name));
	text = fill_text(&s->rec.path, s->text, &file->f_path);
	s->rec.head.len = sizeof(s->rec) + text;
	if (text <= PATH_MOST)
		bpf_seq_write(seq, s, sizeof(s->rec) + text);
	emit_kind(seq, s, file, &ns);
	return 0;
}
