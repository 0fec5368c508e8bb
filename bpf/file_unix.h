/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Unix sockets: name and peer. */
#ifndef FASTCR_FILE_UNIX_H
#define FASTCR_FILE_UNIX_H

#include "file_list.h"

DEFINE_EMIT(file_unix)
DEFINE_EMIT(file_message)

#define AF_UNIX 1
#define SOCK_STREAM 1
#define TCP_LISTEN 10
#define MESSAGES_MOST 400
#define UNIX_NAME 110 /* bytes, sizeof(struct sockaddr_un) */

static __always_inline __u32 read_unix_name(__u8 *to, struct unix_address *addr)
{
	if (!addr)
		return 0;
	bpf_probe_read_kernel(to, UNIX_NAME, (void *)addr + bpf_core_type_size(struct unix_address));
	return BPF_CORE_READ(addr, len);
}

static __always_inline void fill_unix_path(struct unix_path *r, struct dentry *d)
{
	struct inode *i = peek(struct dentry, d, d_inode);

	if (!i)
		return;
	r->ino = peek(struct inode, i, i_ino);
	r->dev = BPF_CORE_READ(i, i_sb, s_dev);
	r->mode = peek(struct inode, i, i_mode);
	r->uid = peek(struct inode, i, i_uid.val);
	r->gid = peek(struct inode, i, i_gid.val);
	r->nlink = peek(struct inode, i, i_nlink);
	r->unlinked = !peek(struct dentry, d, d_hash.pprev);
}

static __always_inline void fill_unix_peer(struct file_unix *r, struct unix_sock *peer)
{
	struct sock *sk = (void *)peer;
	struct unix_address *addr = peek(struct unix_sock, peer, addr);

	r->peer = (__u64)peer;
	r->peer_ino = BPF_CORE_READ(sk, sk_socket, file, f_inode, i_ino);
	r->peer_peer = (__u64)peek(struct unix_sock, peer, peer);
	r->peer_queued = peek(struct sock, sk, sk_receive_queue.qlen);
	r->peer_type = peek(struct sock, sk, sk_type);
	r->peer_dead = peek(struct sock, sk, __sk_common.skc_flags) >> bpf_core_enum_value(enum sock_flags, SOCK_DEAD) & 1;
	r->peer_addr = (__u64)addr;
	r->peer_name_len = read_unix_name(r->peer_name, addr);
}

static __noinline int emit_unix(struct seq_file *seq, struct file *file, struct file_unix *r)
{
	struct socket *so = BPF_CORE_READ(file, private_data);
	struct sock *sk = peek(struct socket, so, sk);
	struct unix_sock *u = (void *)sk, *peer;
	struct unix_address *addr;
	struct dentry *d;

	if (!sk || !r || peek(struct sock, sk, __sk_common.skc_family) != AF_UNIX)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->head.type = REC_FILE_UNIX;
	r->head.len = sizeof(*r);
	r->file = (__u64)file;
	r->oob = unix_has_oob(u);
	r->rights = peek(struct unix_sock, u, scm_stat.nr_fds.counter);
	addr = peek(struct unix_sock, u, addr);
	r->addr = (__u64)addr;
	r->name_len = read_unix_name(r->name, addr);
	d = peek(struct unix_sock, u, path.dentry);
	if (d)
		fill_unix_path(&r->path, d);
	peer = (void *)peek(struct unix_sock, u, peer);
	if (peer)
		fill_unix_peer(r, peer);
	return emit_file_unix(seq, r);
}

static __always_inline void emit_message(struct list_ctx *c, __u32 len, bool rights)
{
	struct list_walk *w = c->w;
	struct file_message r = { .head = { REC_FILE_MESSAGE, sizeof(r) }, .file = w->file, .len = len, .rights = rights };

	r.at = w->at;
	r.place = w->place;
	r.more = w->n >= w->most;
	emit_file_message(c->seq, &r);
	w->n++;
}

static long message_step(__u32 i, struct list_ctx *c)
{
	struct list_walk *w = c->w;
	struct sk_buff *skb = (void *)w->next;
	struct unix_skb_parms *parms;
	__u32 len;
	void *fp;

	if (w->next == w->head || !skb || w->n > w->most)
		return 1;
	parms = (void *)skb + bpf_core_field_offset(struct sk_buff, cb);
	fp = BPF_CORE_READ(parms, fp);
	len = BPF_CORE_READ(skb, len) - BPF_CORE_READ(parms, consumed);
	if (fp || (!len && w->state != SOCK_STREAM))
		emit_message(c, len, fp);
	w->at += len;
	w->place++;
	w->next = (__u64)BPF_CORE_READ(skb, next);
	return 0;
}

/* Emits the messages of a unix socket's queue that a peek does not show the whole of. */
static __noinline int emit_messages(struct seq_file *seq, struct list_walk *w)
{
	struct list_ctx c = { .seq = seq, .w = w };
	struct file *file;
	struct socket *so;
	struct sock *sk;
	struct unix_sock *u;

	if (!w)
		return 0;
	file = (void *)w->file;
	so = BPF_CORE_READ(file, private_data);
	sk = peek(struct socket, so, sk);
	u = (void *)sk;
	if (!sk || peek(struct sock, sk, __sk_common.skc_family) != AF_UNIX || !peek(struct sock, sk, sk_receive_queue.qlen))
		return 0;
	w->state = peek(struct sock, sk, sk_type);
	if (peek(struct sock, sk, __sk_common.skc_state) == TCP_LISTEN)
		return 0;
	if (w->state == SOCK_STREAM && !peek(struct unix_sock, u, scm_stat.nr_fds.counter))
		return 0;
	w->head = (__u64)sk + bpf_core_field_offset(struct sock, sk_receive_queue);
	w->next = (__u64)peek(struct sock, sk, sk_receive_queue.next);
	w->at = w->place = w->n = 0;
	w->most = MESSAGES_MOST;
	bpf_loop(LIST_STEPS, message_step, &c, 0);
	return 0;
}

#endif
