/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every record that crosses from the kernel to Go. Fixed width, no padding,
 * 8-byte aligned. This header is the only definition: bpf2go makes Go types of it.
 */
#ifndef FASTCR_RECORDS_H
#define FASTCR_RECORDS_H

enum rec_type {
	REC_THREAD = 1,
	REC_THREAD_FPU,
	REC_THREAD_SIGINFO,
	REC_THREAD_SECCOMP,
	REC_PROCESS = 32,
	REC_PROCESS_SIGINFO,
	REC_PROCESS_TIMER,
	REC_PROCESS_CGROUP,
	REC_PROCESS_PATH,
	REC_VMA = 64,
	REC_FILE = 96,
};

/* Starts every record; len is in bytes, the head included, a multiple of 8. */
struct rec_head {
	__u32 type;
	__u32 len;
};

/* --- thread.bpf.c --- */

/* REC_THREAD: one a task. */
struct thread_rec {
	struct rec_head head;
	__u32 tgid, tid; /* in the reader's pid namespace */
	char comm[16];
	__u64 regs[21]; /* struct pt_regs */
};

/* --- process.bpf.c, vma.bpf.c --- */

/* --- file.bpf.c --- */

#endif
