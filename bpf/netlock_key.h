/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From a packet, which begins with its IP header, to the connection that it belongs to.
 * LOCK_READ(to, n, from, at) copies n bytes at offset at, 0 if they are there.
 */
#define IPPROTO_HOPOPTS 0
#define IPPROTO_TCP 6
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_DSTOPTS 60
#define IP_OFFSET 0x1fff
#define IPV6_HEADER 40
#define EXTENSIONS_MOST 4
#define EXTENSIONS (1ull << IPPROTO_HOPOPTS | 1ull << IPPROTO_ROUTING | 1ull << IPPROTO_FRAGMENT | 1ull << IPPROTO_DSTOPTS)

/* Bytes of struct iphdr and struct ipv6hdr up to what is asked for. */
struct ipv4_packet {
	__u8 version_ihl, tos;
	__u16 len, id, frag_off;
	__u8 ttl, protocol;
	__u16 check;
	__u8 saddr[4], daddr[4];
};

struct ipv6_packet {
	__u8 version_class, flow[3];
	__u16 payload_len;
	__u8 nexthdr, hop_limit;
	__u8 saddr[16], daddr[16];
};

static __always_inline void mapped(__u8 to[16], const __u8 from[4])
{
	to[10] = to[11] = 0xff;
	__builtin_memcpy(to + 12, from, 4);
}

/*
 * after_extensions returns where the TCP header begins, 0 if there is none. All headers
 * that may come before it, a fragment's too, begin with what follows and their length.
 */
static __always_inline __u32 after_extensions(LOCK_PACKET *packet, __u8 next)
{
	__u32 at = IPV6_HEADER;
	__u8 ext[2];

	for (int i = 0; i < EXTENSIONS_MOST; i++) {
		if (next == IPPROTO_TCP)
			return at;
		if (next > IPPROTO_DSTOPTS || !(EXTENSIONS >> next & 1) || LOCK_READ(ext, sizeof(ext), packet, at))
			return 0;
		at += (ext[1] + 1) * 8;
		next = ext[0];
	}
	return 0;
}

/* read_key tells whether the packet is TCP, and its connection, seen from here. */
static __always_inline bool read_key(LOCK_PACKET *packet, bool in, struct lock_key *key)
{
	__u8 *source = in ? key->remote : key->local, *dest = in ? key->local : key->remote;
	__u16 ports[2];
	__u32 at;
	__u8 version;

	if (LOCK_READ(&version, sizeof(version), packet, 0))
		return false;
	if (version >> 4 == 4) {
		struct ipv4_packet ip;

		if (LOCK_READ(&ip, sizeof(ip), packet, 0) || ip.protocol != IPPROTO_TCP)
			return false;
		if (ip.frag_off & bpf_htons(IP_OFFSET))
			return false;
		mapped(source, ip.saddr);
		mapped(dest, ip.daddr);
		at = (ip.version_ihl & 15) * 4;
	} else {
		struct ipv6_packet ip;

		if (LOCK_READ(&ip, sizeof(ip), packet, 0))
			return false;
		__builtin_memcpy(source, ip.saddr, 16);
		__builtin_memcpy(dest, ip.daddr, 16);
		at = after_extensions(packet, ip.nexthdr);
		if (!at)
			return false;
	}
	if (LOCK_READ(ports, sizeof(ports), packet, at))
		return false;
	key->remote_port = ports[in ? 0 : 1];
	key->local_port = ports[in ? 1 : 0];
	return true;
}
