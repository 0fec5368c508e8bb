// SPDX-License-Identifier: Apache-2.0
/* The action of every signal: handler, flags, mask, restorer; ignored and default ones too. */
#include "target.h"

/* What the kernel knows; the C library would change it. */
struct action {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

static struct action was[65];
static volatile int got;

static void restorer(void)
{
	syscall(SYS_rt_sigreturn);
}

static void handler(int sig)
{
	got = sig;
}

static int settable(int sig)
{
	return sig != SIGKILL && sig != SIGSTOP;
}

static struct action make(int sig)
{
	static const unsigned long flags[] = {
		0x04000000, 0x04000000 | SA_RESTART, 0x04000000 | SA_NODEFER | SA_NOCLDSTOP,
		0x04000000 | SA_ONSTACK | SA_SIGINFO, 0x04000000 | SA_NOCLDWAIT,
	};
	struct action a = { (void *)(0x10000UL + sig * 16), flags[sig % 5], (void *)(0x20000UL + sig), 0 };

	a.mask = (0x9e3779b97f4a7c15UL * sig) & ~(1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1));
	if (sig % 7 == 1)
		a.handler = SIG_IGN;
	if (sig % 7 == 2)
		a.handler = SIG_DFL;
	return a;
}

int main(void)
{
	struct action a, real = { handler, 0x04000000, restorer, 0 };

	for (int sig = 1; sig <= 64; sig++) {
		if (!settable(sig))
			continue;
		a = make(sig);
		MUST(syscall(SYS_rt_sigaction, sig, &a, NULL, 8) == 0);
		MUST(syscall(SYS_rt_sigaction, sig, NULL, &was[sig], 8) == 0);
	}
	ready();
	await_check();
	for (int sig = 1; sig <= 64; sig++) {
		if (!settable(sig))
			continue;
		memset(&a, 0, sizeof(a));
		CHECK(syscall(SYS_rt_sigaction, sig, NULL, &a, 8) == 0, "signal %d: %s", sig, strerror(errno));
		CHECK(a.handler == was[sig].handler, "signal %d: handler %p, was %p", sig, a.handler, was[sig].handler);
		CHECK(a.flags == was[sig].flags, "signal %d: flags %lx, were %lx", sig, a.flags, was[sig].flags);
		CHECK(a.mask == was[sig].mask, "signal %d: mask %lx, was %lx", sig, a.mask, was[sig].mask);
		/* a default or ignored action has no use for it, and an image may leave it out */
		if (a.handler != SIG_DFL && a.handler != SIG_IGN)
			CHECK(a.restorer == was[sig].restorer, "signal %d: restorer %p, was %p", sig, a.restorer, was[sig].restorer);
	}
	syscall(SYS_rt_sigaction, SIGUSR1, &real, NULL, 8);
	raise(SIGUSR1);
	CHECK(got == SIGUSR1, "a handler does not run");
	return verdict();
}
