/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets of AF_NETLINK. */
#ifndef FASTCR_FILE_NETLINK_H
#define FASTCR_FILE_NETLINK_H

#include "emit.h"
#include "drift.h"

DEFINE_EMIT(file_netlink)

#define AF_NETLINK 16

static __noinline int emit_netlink(struct seq_file *seq, struct file *file)
{
	struct file_netlink r = { .head = { REC_FILE_NETLINK, sizeof(r) }, .file = (__u64)file };
	struct socket *so = BPF_CORE_READ(file, private_data);
	struct netlink_sock *n = (void *)BPF_CORE_READ(so, sk);
	unsigned long *groups;

	if (!n || BPF_CORE_READ(n, sk.__sk_common.skc_family) != AF_NETLINK)
		return 0;
	r.flags = BPF_CORE_READ(n, flags);
	r.portid = BPF_CORE_READ(n, portid);
	r.dst_portid = BPF_CORE_READ(n, dst_portid);
	r.dst_group = BPF_CORE_READ(n, dst_group);
	r.subscriptions = BPF_CORE_READ(n, subscriptions);
	groups = BPF_CORE_READ(n, groups);
	if (groups)
		bpf_probe_read_kernel(&r.groups, sizeof(r.groups), groups);
	r.answering = BPF_CORE_READ(n, cb_running);
	return emit_file_netlink(seq, &r);
}

#endif
