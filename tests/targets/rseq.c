// SPDX-License-Identifier: Apache-2.0
/*
 * Restartable sequences: glibc's registration lives on, and a thread that is stopped inside
 * a critical section is not continued there. Each thread loops inside one and reads the
 * clock: a gap as long as the dump, seen without an abort, means that it was continued.
 */
#include "target.h"
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/rseq.h>

#define THREADS 8

struct worker {
	uint64_t gap, gap_from; /* longest gap between two clock reads in one section, in cycles */
	uint64_t stop;
	uint64_t aborts;
	pthread_t thread;
	int cpu_right;
};

_Static_assert(offsetof(struct worker, aborts) == 24, "offset in the assembly");

static struct worker workers[THREADS];

static uint64_t cycles(void)
{
	return __builtin_ia32_rdtsc();
}

static struct rseq *registration(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/*
 * The section: r8 is the last clock value, r9 the longest gap. The descriptor's address goes
 * into rseq->rseq_cs, an abort comes back at 4: and enters anew.
 */
static void loop_in_section(struct worker *w, struct rseq *rs)
{
	asm volatile(".pushsection __rseq_cs, \"aw\"\n"
		     ".balign 32\n"
		     "3:	.long 0, 0\n"
		     "	.quad 1f, 2f - 1f, 4f\n"
		     ".popsection\n"
		     "5:	lea 3b(%%rip), %%rax\n"
		     "	mov %%rax, 8(%[rs])\n"
		     "1:	rdtsc\n"
		     "	shl $32, %%rdx; or %%rdx, %%rax; mov %%rax, %%r8\n"
		     "6:	rdtsc\n"
		     "	shl $32, %%rdx; or %%rdx, %%rax\n"
		     "	mov %%rax, %%r9; sub %%r8, %%r9\n"
		     "	cmp 0(%[w]), %%r9; jbe 7f\n"
		     "	mov %%r9, 0(%[w]); mov %%r8, 8(%[w])\n"
		     "7:	mov %%rax, %%r8\n"
		     "	cmpq $0, 16(%[w]); je 6b\n"
		     "2:	movq $0, 8(%[rs])\n"
		     "	jmp 8f\n"
		     "	.long 0x53053053\n" /* glibc's signature for x86 */
		     "4:	incq 24(%[w])\n"
		     "	jmp 5b\n"
		     "8:\n"
		     :
		     : [w] "r"(w), [rs] "r"(rs)
		     : "rax", "rdx", "r8", "r9", "memory", "cc");
}

/* follows says whether the kernel keeps this thread's area up to date on every CPU. */
static int follows(struct rseq *rs)
{
	cpu_set_t all, one;
	int right = 1;

	sched_getaffinity(0, sizeof(all), &all);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		if (*(volatile uint32_t *)&rs->cpu_id != (uint32_t)cpu)
			right = 0;
	}
	sched_setaffinity(0, sizeof(all), &all);
	return right;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct rseq *rs = registration();

	setpriority(PRIO_PROCESS, 0, 19);
	MUST(follows(rs));
	loop_in_section(w, rs);
	w->cpu_right = follows(rs);
	return NULL;
}

int main(void)
{
	uint64_t last, t, gap = 0, from = 0;

	MUST(__rseq_size > 0);
	MUST(follows(registration()));
	for (int i = 0; i < THREADS; i++)
		MUST(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
	pause_ms(200);
	ready();
	for (last = cycles(); !checking(); last = t) { /* our own longest gap is the dump */
		pause_ms(2);
		t = cycles();
		if (t - last > gap) {
			gap = t - last;
			from = last;
		}
	}
	for (int i = 0; i < THREADS; i++)
		workers[i].stop = 1;
	for (int i = 0; i < THREADS; i++) {
		struct worker *w = &workers[i];

		pthread_join(w->thread, NULL);
		CHECK(w->cpu_right, "thread %d: the area does not follow the CPU: not registered", i);
		CHECK(w->aborts > 0, "thread %d: no section was ever aborted: not registered", i);
		if (strncmp(target_check_word, "restored", 8) == 0)
			CHECK(w->gap < gap / 2 || w->gap_from > from + gap || w->gap_from + w->gap < from,
			      "thread %d went on inside its critical section", i);
	}
	CHECK(follows(registration()), "main thread: the area does not follow the CPU");
	return verdict();
}
