/* SPDX-License-Identifier: Apache-2.0 */
/* What every part of the guardian knows. */
#pragma once

#include <linux/time_types.h>

#include "syscall.h"

enum { SOCKET = 3, PIDFD = 4 };

#define RESCUE_FOR 60		/* seconds that it tries to put things back */
#define PAUSE 1000000		/* nanoseconds between two tries */
#define LOOK 100000000		/* nanoseconds between two looks whether fastcr is stopped */
#define DYING 50		/* pauses that killed tasks get to be gone */

/* pause_a_moment is the pause between two tries. */
static void pause_a_moment(void)
{
	struct __kernel_timespec pause = { .tv_nsec = PAUSE };

	sys_nanosleep(&pause);
}
