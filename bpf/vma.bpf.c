/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* iter/task_vma: every mapping of a process. */
#include "path.h"
#include "emit.h"
#include "pidns.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Belongs to the reading thread, like thread.bpf.c's. */
struct vma_scratch {
	struct vma_rec rec;
	char text[PATH_MOST];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct vma_scratch);
} vma_scratch SEC(".maps");

DEFINE_EMIT(vma_rec)

/* What the kernel itself maps has no file but operations, and a name. */
static __always_inline void fill_special(struct vma_rec *r, struct vm_area_struct *v)
{
	struct vm_special_mapping *sm = v->vm_private_data;

	__builtin_memset(r->special, 0, sizeof(r->special));
	if (v->vm_ops && sm)
		bpf_probe_read_kernel_str(r->special, sizeof(r->special), BPF_CORE_READ(sm, name));
}

SEC("iter/task_vma")
int dump_vma(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma, *v;
	struct task_struct *task = ctx->task;
	struct seq_file *seq = ctx->meta->seq;
	struct vma_scratch *s;
	struct reader_ns ns;
	struct file *file;
	__u64 text;

	if (!task || !vma)
		return emit_end(seq);
	s = bpf_task_storage_get(&vma_scratch, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!s)
		return 1; /* no memory: once more */
	ns = reader_pidns();
	v = plain(struct vm_area_struct, vma);
	s->rec.head.type = REC_VMA;
	s->rec.tgid = pid_in(BPF_CORE_READ(task, group_leader, thread_pid), &ns);
	s->rec.start = v->vm_start;
	s->rec.end = v->vm_end;
	s->rec.flags = v->vm_flags;
	s->rec.pgoff = v->vm_pgoff;
	s->rec.path.len = 0;
	file = vma->vm_file;
	s->rec.file = (__u64)file;
	if (!file) {
		fill_special(&s->rec, v);
		s->rec.head.len = sizeof(s->rec);
		emit_vma_rec(seq, &s->rec);
		return 0;
	}
	__builtin_memset(s->rec.special, 0, sizeof(s->rec.special));
	s->rec.file_flags = BPF_CORE_READ(file, f_flags);
	s->rec.file_mode = BPF_CORE_READ(file, f_mode);
	fill_inode(&s->rec.path, BPF_CORE_READ(file, f_path.mnt), BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_inode));
	text = fill_text(&s->rec.path, s->text, &file->f_path);
	s->rec.head.len = sizeof(s->rec) + text;
	if (text <= PATH_MOST)
		bpf_seq_write(seq, s, sizeof(s->rec) + text);
	return 0;
}
