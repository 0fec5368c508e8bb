// SPDX-License-Identifier: Apache-2.0
/*
 * 100 threads spin with a pattern of their own in every register: general, flags, stack
 * pointer, segment bases, and all of the x87/SSE/AVX/AVX-512/PKRU state that this CPU has.
 * The spinning code touches no register at all: it is one jump to itself, which the main
 * thread overwrites with a nop once the harness asks for the verdict.
 */
#include "target.h"
#include <asm/prctl.h>
#include <cpuid.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define THREADS 100
#define AREA 4096 /* bytes of an XSAVE area; checked against CPUID */
/* x87, SSE, AVX, opmask, ZMM_Hi256, Hi16_ZMM, PKRU */
#define XMASK 0x2e7UL

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15, FLAGS, FSBASE, NREGS };
static const char *const reg_names[NREGS] = {
	"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11",
	"r12", "r13", "r14", "r15", "rflags", "fs base",
};

/* One thread's patterns; %gs points at it while it spins. Offsets are in the assembly below. */
struct ctx {
	uint64_t in[NREGS];    /* 0 */
	uint64_t out[NREGS];   /* 144 */
	uint64_t rsp, fs;      /* 288, 296: the C side's own */
	uint64_t mask;         /* 304 */
	uint64_t gs_after;     /* 312 */
	uint8_t pad[64 - 320 % 64 == 64 ? 0 : 64 - 320 % 64];
	uint8_t xin[AREA] __attribute__((aligned(64)));
	uint8_t xout[AREA] __attribute__((aligned(64)));
	uint8_t want[AREA] __attribute__((aligned(64)));
	int index, spinning;
	pthread_t thread;
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct ctx, out) == 144, "offset in the assembly");
_Static_assert(offsetof(struct ctx, rsp) == 288, "offset in the assembly");
_Static_assert(offsetof(struct ctx, mask) == 304, "offset in the assembly");
_Static_assert(offsetof(struct ctx, xin) == 320, "offset in the assembly");
_Static_assert(offsetof(struct ctx, xout) == 320 + AREA, "offset in the assembly");

/* The block is copied into a writable mapping, so that its jump can be overwritten. */
extern char spin_block[], spin_jump[], spin_end[];
asm(".text\n"
    ".globl spin_block, spin_jump, spin_end\n"
    "spin_block:\n"
    "	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "	mov %rsp, %gs:288\n"
    "	mov $158, %eax; mov $0x1002, %edi; mov %gs:136, %rsi; syscall\n" /* ARCH_SET_FS */
    "	mov %gs:304, %eax; mov %gs:308, %edx\n"
    "	xrstor64 %gs:320\n"
    "	pushq %gs:128; popfq\n"
    "	mov %gs:56, %rsp; mov %gs:0, %rax; mov %gs:8, %rbx; mov %gs:16, %rcx; mov %gs:24, %rdx\n"
    "	mov %gs:32, %rsi; mov %gs:40, %rdi; mov %gs:48, %rbp\n"
    "	mov %gs:64, %r8; mov %gs:72, %r9; mov %gs:80, %r10; mov %gs:88, %r11\n"
    "	mov %gs:96, %r12; mov %gs:104, %r13; mov %gs:112, %r14; mov %gs:120, %r15\n"
    ".balign 2\n"
    "spin_jump:\n"
    "	.byte 0xeb, 0xfe\n" /* jmp to itself; a nop of two bytes ends it */
    "	mov %rsp, %gs:200; mov %gs:288, %rsp\n"
    "	pushfq; popq %gs:272; cld\n"
    "	mov %rax, %gs:144; mov %rbx, %gs:152; mov %rcx, %gs:160; mov %rdx, %gs:168\n"
    "	mov %rsi, %gs:176; mov %rdi, %gs:184; mov %rbp, %gs:192\n"
    "	mov %r8, %gs:208; mov %r9, %gs:216; mov %r10, %gs:224; mov %r11, %gs:232\n"
    "	mov %r12, %gs:240; mov %r13, %gs:248; mov %r14, %gs:256; mov %r15, %gs:264\n"
    "	mov %gs:304, %eax; mov %gs:308, %edx\n"
    "	xsave64 %gs:4416\n"
    "	fninit; movl $0x1f80, %gs:312; ldmxcsr %gs:312; vzeroall\n"
    /* the kernel writes the base to user memory: any address that is ours will do */
    "	sub $16, %rsp\n"
    "	mov $158, %eax; mov $0x1003, %edi; mov %rsp, %rsi; syscall\n" /* ARCH_GET_FS */
    "	mov (%rsp), %rax; mov %rax, %gs:280\n"
    "	add $16, %rsp\n"
    "	mov $158, %eax; mov $0x1002, %edi; mov %gs:296, %rsi; syscall\n"
    "	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "	ret\n"
    "spin_end:\n");

static struct ctx *ctxs;
static char *spin_code; /* jumps until told otherwise */
static char *once_code; /* falls through */
static uint64_t xmask;

static uint64_t pattern(int thread, int reg)
{
	return 0x0101010101010101ULL * (1 + thread) ^ 0x123456789abcdef0ULL * (reg + 3);
}

static void fill_registers(struct ctx *c)
{
	for (int r = 0; r < NREGS; r++)
		c->in[r] = pattern(c->index, r);
	/* status bits and DF; bits 1 and 9 are always set */
	c->in[FLAGS] = 0x202 | (c->in[FLAGS] & 0xcd5);
	/* not all hypervisors return to user space with a stack pointer that is no user address */
	c->in[RSP] &= 0x00007ffffffff0ffULL;
	/* any canonical address is a base */
	c->in[FSBASE] = 0x7abc00000000ULL + c->index * 0x1008ULL;
}

static void fill_component(struct ctx *c, int i)
{
	unsigned size, offset, ecx, edx;

	if (!(xmask & 1UL << i))
		return;
	__cpuid_count(0xd, i, size, offset, ecx, edx);
	MUST(offset + size <= AREA);
	if (i == 9) { /* PKRU: key 0 stays open */
		uint32_t pkru = (uint32_t)pattern(c->index, 9) & ~3U;

		memcpy(c->xin + offset, &pkru, sizeof(pkru));
		return;
	}
	for (unsigned b = 0; b < size; b++)
		c->xin[offset + b] = 17 * c->index + 31 * i + b * 7 + 1;
}

static void fill_xstate(struct ctx *c)
{
	static const uint16_t control[4] = { 0x037f, 0x007f, 0x0b7f, 0x0e7f };
	uint16_t *fp = (uint16_t *)c->xin;
	uint32_t mxcsr = 0x1f80 | (c->index & 3) << 13 | (c->index & 4 ? 0x8000 : 0) | (c->index & 8 ? 0x40 : 0) | (c->index & 0x3f);
	uint64_t header[2] = { xmask, 0 };

	fp[0] = control[c->index & 3];
	fp[1] = (c->index & 7) << 11 | (c->index & 1 ? 0x4500 : 0); /* top of stack, condition codes */
	c->xin[4] = 0xff ^ (1 << (c->index & 7));		    /* one register is empty */
	memcpy(c->xin + 24, &mxcsr, 4);
	for (int r = 0; r < 8; r++) { /* 80 bits: a normal number */
		uint64_t mantissa = 1ULL << 63 | pattern(c->index, 40 + r);
		uint16_t exponent = 0x3fff + r + c->index;

		memcpy(c->xin + 32 + r * 16, &mantissa, 8);
		memcpy(c->xin + 32 + r * 16 + 8, &exponent, 2);
	}
	for (int r = 0; r < 256; r++)
		c->xin[160 + r] = 13 * c->index + r * 5 + 3;
	memcpy(c->xin + 512, header, sizeof(header));
	for (int i = 2; i < 10; i++)
		fill_component(c, i);
}

static void run(struct ctx *c, char *code)
{
	c->mask = xmask;
	MUST(syscall(SYS_arch_prctl, ARCH_GET_FS, &c->fs) == 0);
	MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, c) == 0);
	((void (*)(void))code)();
	syscall(SYS_arch_prctl, ARCH_GET_GS, &c->gs_after);
}

static void *spinner(void *arg)
{
	struct ctx *c = arg;

	setpriority(PRIO_PROCESS, 0, 19); /* this thread only: the machine is shared */
	fill_registers(c);
	fill_xstate(c);
	run(c, once_code); /* what this CPU gives back of the patterns */
	memcpy(c->want, c->xout, AREA);
	memset(c->xout, 0, AREA);
	for (int r = 0; r < NREGS; r++)
		MUST(c->out[r] == c->in[r]);
	memset(c->out, 0, sizeof(c->out));
	__atomic_store_n(&c->spinning, 1, __ATOMIC_SEQ_CST);
	run(c, spin_code);
	return NULL;
}

static void judge(struct ctx *c)
{
	static const char *const parts[] = { "x87", "SSE", "AVX", "", "", "opmask", "ZMM_Hi256", "Hi16_ZMM", "", "PKRU" };

	for (int r = 0; r < NREGS; r++)
		CHECK(c->out[r] == c->in[r], "thread %d: %s is %#lx, was %#lx", c->index, reg_names[r], c->out[r], c->in[r]);
	CHECK(c->gs_after == (uint64_t)c, "thread %d: gs base is %#lx, was %p", c->index, c->gs_after, c);
	CHECK(!memcmp(c->xout + 24, c->want + 24, 4), "thread %d: mxcsr is %#x, was %#x", c->index,
	      *(uint32_t *)(c->xout + 24), *(uint32_t *)(c->want + 24));
	CHECK(!memcmp(c->xout, c->want, 24), "thread %d: x87 control, status or tag word differs", c->index);
	CHECK(!memcmp(c->xout + 32, c->want + 32, 128), "thread %d: x87 registers differ", c->index);
	CHECK(!memcmp(c->xout + 160, c->want + 160, 256), "thread %d: xmm registers differ", c->index);
	for (int i = 2; i < 10; i++) {
		unsigned size, offset, ecx, edx;

		if (!(xmask & 1UL << i))
			continue;
		__cpuid_count(0xd, i, size, offset, ecx, edx);
		CHECK(!memcmp(c->xout + offset, c->want + offset, size), "thread %d: %s state differs", c->index, parts[i]);
	}
}

static void prepare(void)
{
	size_t size = spin_end - spin_block, jump = spin_jump - spin_block;
	unsigned a, b, c, d, lo, hi;

	__cpuid(1, a, b, c, d);
	MUST(c & bit_OSXSAVE);
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	xmask = (lo | (uint64_t)hi << 32) & XMASK;
	spin_code = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(spin_code != MAP_FAILED);
	once_code = spin_code + 4096;
	memcpy(spin_code, spin_block, size);
	memcpy(once_code, spin_block, size);
	MUST(((uintptr_t)spin_code + jump) % 2 == 0);
	*(uint16_t *)(once_code + jump) = 0x9066;
	MUST((ctxs = aligned_alloc(64, sizeof(*ctxs) * THREADS)) != NULL);
	memset(ctxs, 0, sizeof(*ctxs) * THREADS);
}

int main(void)
{
	pthread_attr_t attr;

	prepare();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	for (int i = 0; i < THREADS; i++) {
		ctxs[i].index = i;
		MUST(pthread_create(&ctxs[i].thread, &attr, spinner, &ctxs[i]) == 0);
	}
	for (int i = 0; i < THREADS; i++)
		while (!__atomic_load_n(&ctxs[i].spinning, __ATOMIC_SEQ_CST))
			pause_ms(1);
	pause_ms(100); /* all are in the jump */
	ready();
	await_check();
	__atomic_store_n((uint16_t *)(spin_code + (spin_jump - spin_block)), 0x9066, __ATOMIC_SEQ_CST);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(ctxs[i].thread, NULL);
		judge(&ctxs[i]);
	}
	return verdict();
}
