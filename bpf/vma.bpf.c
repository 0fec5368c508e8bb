/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* iter/task_vma: every mapping of a process. */
#include "user_path.h"
#include "emit.h"
#include "pidns.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define NAME_MOST 80 /* ANON_VMA_NAME_MAX_LEN */

/*
 * Belongs to the reading thread, like thread.bpf.c's, and outlives an iterator:
 * session says whose it is. A program call whose records did not fit is made
 * again, with the same seq_num.
 */
struct vma_scratch {
	__u64 session, task;
	__u64 start;    /* fill_user_text's */
	__u64 file, at; /* the file that was described last, and at which seq_num */
	struct vma_rec rec;
	char name[NAME_MOST];
	struct vma_file described;
	char text[PATH_MOST + NAME_SLACK];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct vma_scratch);
} vma_scratch SEC(".maps");

static __always_inline void begin(struct vma_scratch *s, __u64 session, struct task_struct *task)
{
	struct reader_ns ns = reader_pidns();
	struct task_struct *t = plain(struct task_struct, task);

	s->session = session;
	s->task = (__u64)task;
	s->file = 0;
	s->rec.head.type = REC_VMA;
	s->rec.tgid = pid_in(t->group_leader->thread_pid, &ns);
	s->described.head.type = REC_VMA_FILE;
}

static __always_inline void describe(struct seq_file *seq, struct vma_scratch *s, struct file *file)
{
	struct file *f = plain(struct file, file);
	struct dentry *dentry = f->f_path.dentry;
	struct path *path = user_path(file);
	__u64 text;

	s->described.file = (__u64)file;
	s->described.file_flags = f->f_flags;
	s->described.file_mode = f->f_mode;
	s->described.block_size = f->f_inode->i_sb->s_blocksize;
	if (path) {
		dentry = BPF_CORE_READ(path, dentry);
		fill_inode(&s->described.path, BPF_CORE_READ(path, mnt), dentry, BPF_CORE_READ(dentry, d_inode));
		text = fill_user_text(&s->described.path, s->text, &s->start, path);
	} else {
		/* The dentry's inode: f_inode of a stacked file system's file is the one below. */
		fill_inode(&s->described.path, f->f_path.mnt, dentry, dentry->d_inode);
		text = fill_text(&s->described.path, s->text, &file->f_path);
	}
	s->described.head.len = sizeof(s->described) + text;
	if (text <= PATH_MOST)
		bpf_seq_write(seq, &s->described, sizeof(s->described) + text);
}

/* An anonymous mapping's own name shared its place with something else before v6.2 (d09e8ca6cb93). */
static __always_inline const char *name_of(struct vm_area_struct *v)
{
	struct vm_special_mapping *special = v->vm_private_data;

	if (bpf_core_field_exists(v->anon_name) && v->anon_name &&
	    (!v->vm_file || bpf_core_field_offset(v->anon_name) != bpf_core_field_offset(v->shared)))
		return (const char *)__builtin_preserve_access_index(&v->anon_name->name);
	if (!v->vm_file && v->vm_ops && special)
		return BPF_CORE_READ(special, name); /* what the kernel itself maps: [vdso] */
	return 0;
}

/* Reads the name into the record; returns the bytes to write behind it, a multiple of 8. */
static __always_inline __u64 fill_name(struct vma_scratch *s, const char *name)
{
	long n = bpf_probe_read_kernel_str(s->name, sizeof(s->name), name);
	__u64 len;

	if (n <= 1)
		return 0;
	s->rec.name_len = n - 1;
	len = ((__u64)n - 1 + 7) & ~7ULL;
	barrier_var(len);
	return len > NAME_MOST ? 0 : len;
}

/*
 * Since a fork, of this process or its parent, private pages may be another's too: an
 * anon_vma has a parent then (a first one is its own), or children (a first one counts
 * itself). num_children came with 5.19 (2555283eb40d).
 */
static __always_inline __u64 anon_of(struct vm_area_struct *v)
{
	struct anon_vma *a = v->anon_vma;

	if (!a)
		return 0;
	a = plain(struct anon_vma, a);
	if (a->parent != a || !bpf_core_field_exists(a->num_children) || a->num_children > 1)
		return VMA_ANON | VMA_FORKED;
	return VMA_ANON;
}

SEC("iter/task_vma")
int dump_vma(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma, *v;
	struct task_struct *task = ctx->task;
	struct seq_file *seq = ctx->meta->seq;
	__u64 at = ctx->meta->seq_num, text = 0;
	struct vma_scratch *s;
	const char *name;
	struct file *file;

	if (!task || !vma)
		return emit_end(seq);
	s = bpf_task_storage_get(&vma_scratch, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s)
		return 1; /* no memory: once more */
	if (s->session != ctx->meta->session_id || s->task != (__u64)task)
		begin(s, ctx->meta->session_id, task);
	v = plain(struct vm_area_struct, vma);
	file = vma->vm_file;
	if (file && (s->file != (__u64)file || s->at == at)) {
		describe(seq, s, file);
		s->file = (__u64)file;
		s->at = at;
	}
	s->rec.start = v->vm_start;
	s->rec.end = v->vm_end;
	s->rec.flags = v->vm_flags;
	s->rec.pgoff = v->vm_pgoff;
	s->rec.file = (__u64)file;
	s->rec.anon = anon_of(v);
	s->rec.name_len = 0;
	name = name_of(v);
	if (name)
		text = fill_name(s, name);
	s->rec.head.len = sizeof(s->rec) + text;
	if (text <= NAME_MOST)
		bpf_seq_write(seq, &s->rec, sizeof(s->rec) + text);
	return 0;
}
