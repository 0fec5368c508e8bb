/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sockets. */
#ifndef FASTCR_KERNEL_SOCKET_H
#define FASTCR_KERNEL_SOCKET_H

#include "kernel_file.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	__u8 s6_addr[16];
};

struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	unsigned short skc_family;
	unsigned char skc_state;
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
	unsigned char skc_ipv6only : 1;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
	unsigned long skc_flags;
	int skc_bound_dev_if;
};

struct sk_buff {
	struct sk_buff *next;
	char cb[48];
	unsigned int len;
};

struct sk_buff_head {
	struct sk_buff *next;
	__u32 qlen;
};

struct unix_skb_parms {
	void *fp;
	__u32 consumed;
};

struct sock {
	struct sock_common __sk_common;
	struct sk_buff_head sk_receive_queue;
	__u8 sk_userlocks;
	int sk_rcvbuf, sk_rcvlowat, sk_sndbuf, sk_peek_off;
	long sk_rcvtimeo, sk_sndtimeo;
	struct socket *sk_socket;
	__u32 sk_priority, sk_mark;
	__u16 sk_protocol, sk_type;
	__u8 sk_shutdown;
	unsigned long sk_lingertime;
	__u32 sk_max_ack_backlog, sk_ack_backlog;
	__u8 sk_no_check_tx : 1;
	__u32 sk_tsflags; /* 16 bits before v6.6: read with BPF_CORE_READ_BITFIELD_PROBED */
	struct sk_filter *sk_filter;
	struct sock_reuseport *sk_reuseport_cb;
};

struct sock_reuseport {
	void *prog;
};

struct sk_filter {
	struct bpf_prog *prog;
};

enum sock_flags {
	SOCK_DEAD = 0,
	SOCK_DONE = 1,
	SOCK_URGINLINE = 2,
	SOCK_KEEPOPEN = 3,
	SOCK_LINGER = 4,
	SOCK_BROADCAST = 6,
	SOCK_RCVTSTAMP = 11,
	SOCK_LOCALROUTE = 13,
	SOCK_RXQ_OVFL = 17,
	SOCK_WIFI_STATUS = 19,
	SOCK_NOFCS = 20,
	SOCK_FILTER_LOCKED = 21,
	SOCK_TXTIME = 24,
	SOCK_RCVMARK = 27,
	SOCK_RCVPRIORITY = 28,
};

struct ipv6_pinfo {
	struct in6_addr saddr;
	union {
		struct {
			__u16 rxinfo : 1;
		} bits;
		__u16 all;
	} rxopt;
	void *ipv6_mc_list, *ipv6_ac_list;
};

struct inet_sock {
	struct sock sk;
	struct ipv6_pinfo *pinet6;
	__be32 inet_saddr;
	__s16 uc_ttl;
	__be16 inet_sport;
	void *inet_opt, *mc_list;
	__u8 tos;
};

struct icmp_filter {
	__u32 data;
};

struct icmp6_filter {
	__u32 data[8];
};

struct raw_sock {
	struct icmp_filter filter;
};

struct raw6_sock {
	__u32 checksum;
	struct icmp6_filter filter;
};

struct udp_sock {
	int pending;
	__u8 encap_type;
};

struct inet_connection_sock {
	void *icsk_ulp_ops;
};

struct tcp_options_received {
	__u16 tstamp_ok : 1;
	__u16 wscale_ok : 1;
	__u16 sack_ok : 3;
	__u16 snd_wscale : 4;
	__u16 rcv_wscale : 4;
	__u16 mss_clamp;
};

struct tcp_sock {
	__u32 rcv_nxt, copied_seq, rcv_wnd, rcv_wup;
	__u32 snd_una, snd_nxt, write_seq, snd_wl1, snd_wnd, max_window;
	__u32 tsoffset, urg_seq;
	__u16 urg_data;
	__u8 repair : 1;
	struct tcp_options_received rx_opt;
	__u8 nonagle : 4;
	__u8 keepalive_probes;
	unsigned int keepalive_time, keepalive_intvl;
};

struct socket {
	struct file *file;
	struct sock *sk;
	unsigned long flags;
};

struct unix_address {
	int len;
};

struct scm_stat {
	atomic_t nr_fds;
};

struct unix_sock {
	struct sock sk;
	struct unix_address *addr;
	struct path path;
	struct sock *peer;
	struct scm_stat scm_stat;
};

struct netlink_sock {
	struct sock sk;
	unsigned long flags;
	__u32 portid, dst_portid, dst_group, subscriptions;
	unsigned long *groups;
	bool cb_running;
};

struct pgv {
	char *buffer;
};

struct tpacket_kbdq_core {
	unsigned int feature_req_word;
	unsigned int blk_sizeof_priv; /* 16 bits in older kernels: read with BPF_CORE_READ_BITFIELD_PROBED */
	__u64 knxt_seq_num; /* of the block after the one that is being filled, from 1 */
};

struct packet_ring_buffer {
	struct pgv *pg_vec;
	unsigned int head, frame_size, frame_max;
	unsigned int pg_vec_pages, pg_vec_len; /* pages a block, blocks */
	union {
		struct tpacket_kbdq_core prb_bdqc;
	};
};

struct packet_fanout {
	__u32 max_num_members;
	__u16 id;
	__u8 type, flags;
	union {
		struct bpf_prog *bpf_prog;
	};
};

struct packet_mclist {
	struct packet_mclist *next;
	int ifindex, count;
	unsigned short type, alen;
	unsigned char addr[32];
};

struct packet_type {
	bool ignore_outgoing;
};

enum packet_sock_flags {
	PACKET_SOCK_ORIGDEV,
	PACKET_SOCK_AUXDATA,
	PACKET_SOCK_TX_HAS_OFF,
	PACKET_SOCK_TP_LOSS,
	PACKET_SOCK_HAS_VNET_HDR,
	PACKET_SOCK_RUNNING,
	PACKET_SOCK_QDISC_BYPASS,
};

enum tpacket_versions {
	TPACKET_V1,
	TPACKET_V2,
	TPACKET_V3,
};

struct packet_sock {
	struct sock sk;
	struct packet_fanout *fanout;
	struct packet_ring_buffer rx_ring, tx_ring;
	int copy_thresh, ifindex;
	unsigned long flags;
	__be16 num;
	struct packet_mclist *mclist;
	enum tpacket_versions tp_version;
	unsigned int tp_reserve, tp_tstamp;
	struct packet_type prot_hook;
};

#pragma clang attribute pop

#endif
