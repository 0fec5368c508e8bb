/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets of AF_PACKET: what they are bound to, options, rings, memberships. */
#ifndef FASTCR_FILE_PACKET_H
#define FASTCR_FILE_PACKET_H

#include "drift.h"
#include "file_list.h"

DEFINE_EMIT(file_packet)
DEFINE_EMIT(file_member)

#define AF_PACKET 17
#define FANOUT_CBPF 6
#define FANOUT_EBPF 7
#define BLOCK_HEADER 48 /* bytes, struct tpacket_block_desc */
#define RING_CHUNK 512 /* bytes */
#define RING_STEPS (1 << 23)

#define MEMBERS_FIRST 96
#define MEMBERS_MORE 384

static __always_inline struct packet_sock *packet_sock_of(struct file *file)
{
	struct socket *so = BPF_CORE_READ(file, private_data);
	struct sock *sk = BPF_CORE_READ(so, sk);

	if (!bpf_core_type_exists(struct packet_sock)) /* CONFIG_PACKET=m */
		return 0;
	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_family) != AF_PACKET)
		return 0;
	return (void *)sk;
}

static __always_inline __u32 packet_options(struct packet_sock *po)
{
	__u32 o = 0;

	if (packet_flag(po, PACKET_SOCK_ORIGDEV, origdev))
		o |= PKT_ORIGDEV;
	if (packet_flag(po, PACKET_SOCK_AUXDATA, auxdata))
		o |= PKT_AUXDATA;
	if (packet_flag(po, PACKET_SOCK_TP_LOSS, tp_loss))
		o |= PKT_LOSS;
	if (packet_flag(po, PACKET_SOCK_TX_HAS_OFF, tp_tx_has_off))
		o |= PKT_TX_HAS_OFF;
	if (packet_flag(po, PACKET_SOCK_RUNNING, running))
		o |= PKT_RUNNING;
	if (packet_bypasses(po))
		o |= PKT_QDISC_BYPASS;
	if (BPF_CORE_READ(po, prot_hook.ignore_outgoing))
		o |= PKT_IGNORE_OUTGOING;
	return o;
}

static __always_inline void fill_fanout(struct file_packet *r, struct packet_fanout *f)
{
	__u32 type;

	if (!f)
		return;
	type = BPF_CORE_READ(f, type);
	r->options |= PKT_FANOUT;
	r->fanout = BPF_CORE_READ(f, id) | type << 16 | (__u32)BPF_CORE_READ(f, flags) << 24;
	r->fanout_most = BPF_CORE_READ(f, max_num_members);
	if ((type == FANOUT_CBPF || type == FANOUT_EBPF) && BPF_CORE_READ(f, bpf_prog))
		r->options |= PKT_STEERED;
}

/*
 * Through a ring, up to what is not 0: the status of each frame to be received, the beginning of
 * each block of TPACKET_V3, all memory of what is to be sent, as programs fill frames long
 * before they hand them over. It lies in a map, as list_walk does.
 */
struct ring_walk {
	__u64 block;	   /* address of the struct pgv */
	__u64 memory;	   /* and of the block itself */
	__u64 left, size;  /* blocks, and bytes of each */
	__u64 at, step;	   /* bytes in the block */
	__u64 skip;	   /* bytes that are the kernel's */
	__u64 status_only;
	__u64 used;
	__u64 chunk[RING_CHUNK / 8];
};

static __always_inline __u64 ring_bytes(struct ring_walk *w, const void *from)
{
	__u64 all = 0;

	if (w->status_only) {
		bpf_probe_read_kernel(&all, sizeof(all), from);
		return all;
	}
	bpf_probe_read_kernel(w->chunk, RING_CHUNK, from);
	if (w->skip)
		__builtin_memset(w->chunk, 0, BLOCK_HEADER);
	w->skip = 0;
	for (int i = 0; i < RING_CHUNK / 8; i++)
		all |= w->chunk[i];
	return all;
}

static long ring_step(__u32 i, struct ring_walk **c)
{
	struct ring_walk *w = *c;
	struct pgv *block = (void *)w->block;

	if (!w->left)
		return 1;
	if (!w->at)
		w->memory = (__u64)BPF_CORE_READ(block, buffer);
	if (ring_bytes(w, (void *)w->memory + w->at)) {
		w->used = 1;
		return 1;
	}
	w->at += w->step;
	if (w->at + w->step <= w->size)
		return 0;
	w->at = 0;
	w->left--;
	w->block += bpf_core_type_size(struct pgv);
	return 0;
}

enum ring_kind { RING_FRAMES, RING_BLOCKS, RING_SENDS };

/* A ring of blocks has received nothing as long as no second one was opened. */
static __always_inline bool ring_used(struct packet_ring_buffer *rb, enum ring_kind kind, const struct packet_ring *r, struct ring_walk *w)
{
	if (BPF_CORE_READ(rb, head) || (kind == RING_BLOCKS && BPF_CORE_READ(rb, prb_bdqc.knxt_seq_num) > 2))
		return true;
	w->block = (__u64)BPF_CORE_READ(rb, pg_vec);
	w->left = r->block_nr;
	w->size = r->block_size;
	w->step = kind == RING_FRAMES ? r->frame_size : kind == RING_BLOCKS ? r->block_size : RING_CHUNK;
	w->status_only = kind == RING_FRAMES;
	w->skip = kind == RING_BLOCKS ? BLOCK_HEADER : 0;
	w->at = w->used = 0;
	bpf_loop(RING_STEPS, ring_step, &w, 0);
	return w->used || w->left;
}

static __always_inline void fill_ring(struct packet_ring *r, struct packet_ring_buffer *rb, enum ring_kind kind, struct ring_walk *w)
{
	if (!BPF_CORE_READ(rb, pg_vec))
		return;
	r->block_nr = BPF_CORE_READ(rb, pg_vec_len);
	r->block_size = BPF_CORE_READ(rb, pg_vec_pages) << 12;
	r->frame_size = BPF_CORE_READ(rb, frame_size);
	r->frame_nr = BPF_CORE_READ(rb, frame_max) + 1;
	if (kind == RING_BLOCKS) {
		r->retire_tmo = ring_timeout(__builtin_preserve_access_index(&rb->prb_bdqc));
		r->sizeof_priv = BPF_CORE_READ_BITFIELD_PROBED(rb, prb_bdqc.blk_sizeof_priv);
		r->features = BPF_CORE_READ(rb, prb_bdqc.feature_req_word);
	}
	r->used = ring_used(rb, kind, r, w);
}

struct packet_scratch {
	struct file_packet rec;
	struct ring_walk walk;
};

static __noinline int emit_packet(struct seq_file *seq, struct file *file, struct packet_scratch *s)
{
	struct packet_sock *po = packet_sock_of(file);
	struct file_packet *r;

	if (!po || !s)
		return 0;
	r = &s->rec;
	__builtin_memset(r, 0, sizeof(*r));
	r->head.type = REC_FILE_PACKET;
	r->head.len = sizeof(*r);
	r->file = (__u64)file;
	r->options = packet_options(po);
	r->protocol = BPF_CORE_READ(po, num);
	r->ifindex = BPF_CORE_READ(po, ifindex);
	r->version = BPF_CORE_READ(po, tp_version);
	r->vnet_hdr = packet_vnet_header(po);
	r->reserve = BPF_CORE_READ(po, tp_reserve);
	r->timestamp = BPF_CORE_READ(po, tp_tstamp);
	r->copy_thresh = BPF_CORE_READ(po, copy_thresh);
	fill_fanout(r, BPF_CORE_READ(po, fanout));
	fill_ring(&r->rx, __builtin_preserve_access_index(&po->rx_ring), r->version == TPACKET_V3 ? RING_BLOCKS : RING_FRAMES, &s->walk);
	fill_ring(&r->tx, __builtin_preserve_access_index(&po->tx_ring), RING_SENDS, &s->walk);
	return emit_file_packet(seq, r);
}

static long member_step(__u32 i, struct list_ctx *c)
{
	struct list_walk *w = c->w;
	struct packet_mclist *m = (void *)w->next;
	struct file_member r = { .head = { REC_FILE_MEMBER, sizeof(r) }, .file = w->file, .item = (__u64)m };

	if (!m || w->n >= w->most)
		return 1;
	w->next = (__u64)BPF_CORE_READ(m, next);
	if (w->place++ < w->skip)
		return 0;
	r.ifindex = BPF_CORE_READ(m, ifindex);
	r.type = BPF_CORE_READ(m, type);
	r.alen = BPF_CORE_READ(m, alen);
	r.count = BPF_CORE_READ(m, count);
	BPF_CORE_READ_INTO(&r.addr, m, addr);
	emit_file_member(c->seq, &r);
	w->n++;
	return 0;
}

/* Emits at most most memberships, from the skip-th on. */
static __noinline int emit_members(struct seq_file *seq, struct list_walk *w, __u64 skip, __u64 most)
{
	struct list_ctx c = { .seq = seq, .w = w };
	struct packet_sock *po;

	if (!w)
		return 0;
	po = packet_sock_of((void *)w->file);
	if (!po)
		return 0;
	w->next = (__u64)BPF_CORE_READ(po, mclist);
	w->place = w->n = w->changed = 0;
	w->skip = skip;
	w->most = most;
	if (w->next)
		bpf_loop(LIST_STEPS, member_step, &c, 0);
	list_more(seq, w, REC_FILE_MEMBER, 0, w->next ? w->place : 0);
	return 0;
}

#endif
