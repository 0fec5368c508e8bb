/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Memory that has a descriptor and no name. */
#ifndef FASTCR_FILE_MEMFD_H
#define FASTCR_FILE_MEMFD_H

#include "emit.h"
#include "drift.h"

DEFINE_EMIT(file_memfd)

#define TMPFS_MAGIC 0x01021994
#define HUGETLBFS_MAGIC 0x958458f6

/* tmpfs or hugetlbfs, and never in a directory. */
static __always_inline bool is_memfd(const struct path_info *p, struct dentry *d)
{
	return (p->magic == TMPFS_MAGIC || p->magic == HUGETLBFS_MAGIC) && p->unlinked && BPF_CORE_READ(d, d_parent) == d;
}

static __noinline int emit_memfd(struct seq_file *seq, struct file *file)
{
	struct inode *i = BPF_CORE_READ(file, f_inode);
	struct file_memfd r = { .head = { REC_FILE_MEMFD, sizeof(r) }, .file = (__u64)file };
	struct hugetlbfs_inode_info *h;
	struct shmem_inode_info *s;

	r.blocksize = BPF_CORE_READ(i, i_sb, s_blocksize);
	if (BPF_CORE_READ(i, i_sb, s_magic) == HUGETLBFS_MAGIC) {
		h = (void *)i - bpf_core_field_offset(struct hugetlbfs_inode_info, vfs_inode);
		r.hugetlb = 1;
		if (bpf_core_type_exists(struct hugetlbfs_inode_info))
			r.seals = BPF_CORE_READ(h, seals);
	} else {
		s = (void *)i - bpf_core_field_offset(struct shmem_inode_info, vfs_inode);
		r.seals = BPF_CORE_READ(s, seals);
	}
	return emit_file_memfd(seq, &r);
}

#endif
