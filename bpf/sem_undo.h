/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a thread's end would undo of semaphore operations (SEM_UNDO). */
#ifndef FASTCR_SEM_UNDO_H
#define FASTCR_SEM_UNDO_H

#include "kernel.h"
#include "drift.h"

#define IPC_SEM_IDS 0
#define UNDO_SETS 1024 /* semaphore sets a thread */
#define UNDO_ONCE 64   /* semaphores that are read at once */
#define UNDO_MOST 32768

/* Bits of an ipc id that are its index: the second with the kernel's ipcmni_extend. */
#define IPC_INDEX_BITS 15
#define IPC_INDEX_BITS_EXTENDED 24

#define XA_DEPTH 6    /* nodes on the way to a 32-bit index */
#define XA_INTERNAL 2 /* the lower two bits of a pointer to a node */

/* The entry of an xarray at index, 0 if there is none. */
static __always_inline void *xa_entry(void *entry, __u32 index)
{
	for (int i = 0; i < XA_DEPTH; i++) {
		struct xa_node *node = entry - XA_INTERNAL;
		__u32 slot;

		if (((__u64)entry & 3) != XA_INTERNAL || (__u64)entry <= 4096)
			break;
		slot = index >> BPF_CORE_READ(node, shift);
		index -= slot << BPF_CORE_READ(node, shift);
		if (slot >= bpf_core_field_size(node->slots) / sizeof(void *))
			return 0;
		entry = 0;
		bpf_probe_read_kernel(&entry, sizeof(entry), (void *)node + bpf_core_field_offset(struct xa_node, slots) + slot * sizeof(void *));
	}
	return index ? 0 : entry;
}

/* How many semaphores the set id has, 0 if it is gone. */
static __always_inline __u32 sem_count(struct ipc_namespace *ns, int id)
{
	void *head = BPF_CORE_READ(ns, ids[IPC_SEM_IDS].ipcs_idr.idr_rt.xa_head);
	struct sem_array *a = xa_entry(head, id & ((1 << IPC_INDEX_BITS) - 1));

	if (!a || BPF_CORE_READ(a, sem_perm.id) != id)
		a = xa_entry(head, id & ((1 << IPC_INDEX_BITS_EXTENDED) - 1));
	if (!a || BPF_CORE_READ(a, sem_perm.id) != id)
		return 0;
	return BPF_CORE_READ(a, sem_nsems);
}

struct adjustments {
	const void *at;
	__u32 left, found;
};

/* The i-th piece of a set's adjustments. */
static long adjustments_step(__u32 i, struct adjustments *a)
{
	__u64 values[UNDO_ONCE * sizeof(short) / sizeof(__u64)] = {}, any = 0, n = a->left;

	if (n > UNDO_ONCE)
		n = UNDO_ONCE;
	barrier_var(n);
	if (!n || n > UNDO_ONCE)
		return 1;
	bpf_probe_read_kernel(values, n * sizeof(short), a->at + i * sizeof(values));
	for (int k = 0; k < sizeof(values) / sizeof(values[0]); k++)
		any |= values[k];
	a->left -= n;
	a->found = !!any;
	return a->found;
}

struct undo_walk {
	struct ipc_namespace *ns;
	struct list_head *head, *next;
	__u32 found;
	int id;
};

static long undo_step(__u32 i, struct undo_walk *w)
{
	struct sem_undo *u = (void *)w->next - bpf_core_field_offset(struct sem_undo, list_proc);
	struct adjustments a = {};

	if (w->next == w->head || !w->next)
		return 1;
	w->id = BPF_CORE_READ(u, semid);
	w->next = BPF_CORE_READ(u, list_proc.next);
	if (w->id == -1) /* the set was removed */
		return 0;
	a.at = undo_adjustments(u);
	a.left = sem_count(w->ns, w->id);
	bpf_loop(UNDO_MOST / UNDO_ONCE, adjustments_step, &a, 0);
	w->found = a.found;
	return a.found ? 1 : 0;
}

/* Tells whether there is anything to undo, and of which set first. What nobody has room for counts as something. */
static __always_inline bool has_undo(struct task_struct *t, __s32 *id)
{
	struct sem_undo_list *list;
	struct undo_walk w = {};
	struct list_head *head;

	if (!bpf_core_field_exists(t->sysvsem) || !(list = t->sysvsem.undo_list))
		return false;
	w.ns = t->nsproxy ? t->nsproxy->ipc_ns : 0;
	w.head = head = (void *)list + bpf_core_field_offset(struct sem_undo_list, list_proc);
	w.next = BPF_CORE_READ(head, next);
	bpf_loop(UNDO_SETS, undo_step, &w, 0);
	*id = w.id;
	return w.found || w.next != w.head;
}

#endif
