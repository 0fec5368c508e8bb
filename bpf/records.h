/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every record that crosses from the kernel to Go. Fixed width, no padding,
 * 8-byte aligned. This header is the only definition: bpf2go makes Go types of it.
 */
#ifndef FASTCR_RECORDS_H
#define FASTCR_RECORDS_H

enum rec_type {
	REC_THREAD = 1,
	REC_THREAD_SIGINFO,
	REC_THREAD_GROUPS,
	REC_THREAD_SECCOMP,
	REC_PROCESS = 32,
	REC_PROCESS_SIGINFO,
	REC_PROCESS_TIMER,
	REC_PROCESS_PATH = 36,
	REC_VMA = 64,
	REC_VMA_FILE,
	REC_FILE = 96,
	REC_FILE_PIPE,
	REC_FILE_TTY,
	REC_FILE_COUNTER,
	REC_FILE_TIMER,
	REC_FILE_MEMFD,
	REC_FILE_SOCKET,
	REC_FILE_WATCH,
	REC_FILE_MARK,
	REC_FILE_LOCK,
	REC_FILE_MORE,
	REC_FILE_TTY_DATA,
	REC_FILE_UNIX,
	REC_FILE_MESSAGE,
	REC_FILE_PIDFD,
	REC_FILE_NETLINK,
	REC_FILE_FANOTIFY,
	REC_FILE_PACKET,
	REC_FILE_MEMBER,
	REC_FILE_INET = 116,
	REC_TCP = 120,
	REC_AIO,
	REC_END = 127, /* only a head: the iterator has nothing more */
};

/* Starts every record; len is in bytes, the head included, a multiple of 8. */
struct rec_head {
	__u32 type;
	__u32 len;
};

/* --- thread.bpf.c --- */

/* struct rseq_cs of uapi/linux/rseq.h, with the flags of struct rseq itself. */
struct thread_rseq {
	__u64 ptr; /* task->rseq, 0: not registered */
	__u32 len, sig;
	__u64 cs;       /* rseq->rseq_cs; read only when not in a system call */
	__u32 flags;    /* rseq->flags */
	__u32 unread;   /* the target's memory could not be read */
	__u32 cs_version, cs_flags;
	__u64 start_ip, post_commit_offset, abort_ip;
};

/* struct cred. */
struct thread_cred {
	__u32 uid, gid, euid, egid, suid, sgid, fsuid, fsgid;
	__u64 cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb;
	__u32 securebits;
	__u32 ngroups;
};

/*
 * REC_THREAD: one a task, after its sub-records. In it, behind the struct, are
 * fpu_size bytes of struct fpstate.regs as the kernel keeps them, padded to 8.
 */
struct thread_rec {
	struct rec_head head;
	__u32 tgid, tid; /* in the reader's pid namespace */
	char comm[16];
	__u64 regs[21]; /* struct pt_regs */
	__u64 fsbase, gsbase;
	__u16 ds, es, fs, gs;
	__u64 tls[3];
	__u64 files, fs_struct, sighand; /* addresses */
	__u64 blocked, saved_sigmask;
	__u64 pending, shared_pending; /* sets */
	__u64 sas_sp, sas_size;
	__u32 sas_flags, restore_sigmask;
	__u32 state, ptrace;
	__u64 css_set; /* address: the same cgroups, the same one */
	__u32 tracer; /* a process in the reader's pid namespace, 0: none seen there */
	__u32 vfork;  /* its parent waits until it calls exec */
	__s32 static_prio;
	__u32 policy, rt_priority;
	__u32 pdeath_signal;
	__u64 robust_list, clear_child_tid;
	struct thread_rseq rseq;
	struct thread_cred cred;
	__u32 no_new_privs;
	__u32 seccomp_mode;
	__u64 seccomp_filter; /* address of the newest */
	/* restart_block, as its nanosleep member lies */
	__u32 restart_clockid, restart_type;
	__u64 restart_rmtp, restart_expires; /* restart_expires is 0 or nanoseconds left */
	__u64 user_xfeatures;
	__u32 pkru;
	__u32 fpu_size; /* bytes */
	__u32 nsiginfo; /* REC_THREAD_SIGINFO records that came before this one */
	__u32 more;     /* MORE_*: what did not fit and is read with thread_more */
	__u32 undo;     /* its end would undo semaphore operations (SEM_UNDO) */
	__s32 undo_set; /* id of a set that they are of */
};

enum thread_more {
	MORE_SIGINFO = 1,
	MORE_GROUPS = 2,
	MORE_SECCOMP = 4,
};

/* REC_THREAD_SIGINFO: one queued signal. */
struct thread_siginfo {
	struct rec_head head;
	__u32 tgid, tid;
	__u32 place;   /* in the queue, from 0 */
	__u32 preallocated; /* it belongs to a POSIX timer */
	__u8 info[48]; /* struct kernel_siginfo */
};

/* REC_THREAD_GROUPS: n supplementary groups, 4 bytes each, padded to 8. */
struct thread_groups {
	struct rec_head head;
	__u32 tgid, tid;
	__u32 n;
	__u32 first;
};

/*
 * REC_THREAD_SECCOMP: one filter of a thread's chain, or a part of a long one:
 * n instructions (struct sock_filter, 8 bytes) from first on follow.
 */
struct thread_seccomp {
	struct rec_head head;
	__u32 tgid, tid;
	__u64 filter, prev; /* addresses; prev 0: the oldest */
	__u32 len;          /* instructions in all */
	__u32 flags;        /* SECCOMP_FILTER_FLAG_* */
	__u32 n, first;
};

/* What thread_more is asked for; the reader's leader holds it. */
struct thread_place {
	__u32 tid;  /* in the reader's pid namespace */
	__u32 what; /* MORE_* */
	__u64 skip; /* list entries, groups or instructions of filter */
	__u64 filter;
};

/* --- path.h --- */

/* A path and the inode that it led to; len bytes of text follow the record that holds it, padded to 8. */
struct path_info {
	__u64 ino, size;
	__s64 atime, mtime; /* nanoseconds since the epoch */
	__u64 magic;        /* super_block.s_magic */
	__u32 dev, rdev;    /* as the kernel keeps them: major << 20 | minor */
	__u32 nlink, mode, uid, gid;
	__u32 mnt_id;
	__u32 unlinked; /* the text ends with " (deleted)" */
	__u32 len;      /* bytes, without a final 0 */
	__u32 gone;     /* a file that /proc had of a process, or a thread, that is gone */
};

/* --- process.bpf.c, vma.bpf.c --- */

enum process_path_kind {
	PATH_EXE,
	PATH_CWD,
	PATH_ROOT,
};

/* REC_PROCESS_PATH */
struct process_path {
	struct rec_head head;
	__u32 tgid;
	__u32 what; /* enum process_path_kind */
	struct path_info path;
};

/* An interval timer; nanoseconds on the timer's own clock. */
struct process_itimer {
	__s64 interval, expires, now;
	__u64 armed;
};

/* REC_PROCESS: one a thread group, after its sub-records. Addresses are identities. */
struct process_rec {
	struct rec_head head;
	__u64 ktime; /* nanoseconds of CLOCK_MONOTONIC, after the queue and the timers were read */
	__u32 pid, ppid, pgid, sid;
	__u32 exit_state, exit_code; /* exit_code: as wait(2) would report it */
	__u32 exit_signal, flags;
	__u32 personality, signal_flags;
	__u32 group_stop_count, nr_threads;
	__u64 jobctl;
	char comm[16];
	__u64 mm, files, fs_struct, sighand, tty;
	__u64 mm_marks[11]; /* start_code … env_end, as CRIU orders them */
	__u64 ioctx;
	__u32 dumpable, thp_disabled;
	__u32 mdwe, lock_future; /* PR_SET_MDWE; mlockall(MCL_FUTURE) */
	__u64 auxv[56];
	__u32 auxv_len; /* words */
	__u32 umask;
	__u64 sigactions[256]; /* 64 times handler, flags, restorer, mask */
	__u64 rlimits[32];
	struct process_itimer itimers[3]; /* REAL, VIRTUAL, PROF */
	__s32 oom_score_adj;
	__u32 loginuid, child_subreaper, membarrier;
	__u32 ns[10];         /* in the order of fastcr.Namespaces */
	__u64 shared_pending; /* set */
	__u32 more;           /* MORE_*: what did not fit and is read with more_process */
	__u32 __reserved;
};

enum process_more {
	MORE_QUEUE = 1,
	MORE_TIMERS = 2,
};

/* What more_process is asked for; the reader's leader holds it. */
struct process_place {
	__u32 pid;  /* in the reader's pid namespace */
	__u32 what; /* MORE_* */
	__u64 skip; /* list entries */
};

/* REC_PROCESS_SIGINFO: one signal queued for the process. */
struct process_siginfo {
	struct rec_head head;
	__u32 tgid;
	__u32 preallocated; /* it belongs to a POSIX timer */
	__u8 info[48];      /* struct kernel_siginfo */
};

/* REC_PROCESS_TIMER: one POSIX timer; nanoseconds on the timer's own clock. */
struct process_timer {
	struct rec_head head;
	__u32 tgid;
	__s32 id, clock, signo, notify;
	__u32 notify_tid;
	__u32 status; /* enum posix_timer_state */
	__u32 stale;  /* its queued signal is from before it was set anew: never delivered */
	__u64 sigval;
	__s64 interval, expires, now;
	__s64 overrun, overrun_last;
};

/* Bits of vma_rec.anon: what of a mapping's anonymous pages there may be. */
enum vma_anon {
	VMA_ANON = 1,	/* it has some, or had */
	VMA_FORKED = 2, /* they may be another process's too */
};

/* REC_VMA: one mapping; name_len bytes of its name follow, padded to 8. */
struct vma_rec {
	struct rec_head head;
	__u32 tgid;
	__u32 name_len;          /* of [vdso] and its like, or PR_SET_VMA_ANON_NAME's */
	__u64 start, end, flags; /* flags: vm_flags as they are */
	__u64 pgoff;             /* pages */
	__u64 file;              /* address; a REC_VMA_FILE came before */
	__u64 anon;              /* enum vma_anon */
};

/* REC_VMA_FILE: a mapped file, before the first mapping of it in a row; path.len bytes of path follow. */
struct vma_file {
	struct rec_head head;
	__u64 file; /* address */
	__u32 file_flags, file_mode;
	__u64 block_size; /* super_block.s_blocksize: a hugetlb page's */
	struct path_info path;
};

/* --- file.bpf.c --- */

/* What the program took a file for, and so what records follow. */
enum file_what {
	FILE_PLAIN, /* none */
	FILE_PIPE,
	FILE_TTY,
	FILE_EVENTFD,
	FILE_SIGNALFD,
	FILE_TIMERFD,
	FILE_EPOLL,
	FILE_INOTIFY,
	FILE_MEMFD,
	FILE_SOCKET,
	FILE_PIDFD,
	FILE_FANOTIFY,
};

/*
 * REC_FILE: one descriptor; path.len bytes of path follow in it. What its kind
 * has, and the locks held through it, follow as records of their own.
 */
struct file_rec {
	struct rec_head head;
	__u64 table; /* address of task->files */
	__u64 file;  /* address */
	__u64 pos;
	__u32 tgid, tid;
	__u32 fd, cloexec;
	__u32 flags, mode; /* f_flags as F_GETFL gives them, f_mode */
	__u32 owner_pid, owner_type, owner_uid, owner_euid, owner_signum;
	__u32 what; /* enum file_what */
	struct path_info path;
};

/* REC_FILE_PIPE: struct pipe_inode_info. */
struct file_pipe {
	struct rec_head head;
	__u64 file, object;
	__u32 readers, writers;
	__u32 ring, bytes; /* what fits and what waits, in bytes */
	__u32 packets;     /* a buffer is a packet */
	__u32 watch_queue; /* it carries the kernel's notifications */
};

/*
 * REC_FILE_TTY: struct tty_struct. Modes, size, group and session are those of
 * the slave where the file is a pty's master, as the ioctls give them.
 */
struct file_tty {
	struct rec_head head;
	__u64 file, object, link, flags;
	__u32 type, subtype; /* TTY_DRIVER_TYPE_*, PTY_TYPE_* */
	__u32 index, major, minor_start, count;
	__u32 pgrp, session;
	__u32 packet, exclusive, locked, other_closed, hung, line;
	__u16 winsize[4];
	__u32 termios[6], termios_locked[6]; /* c_iflag c_oflag c_cflag c_lflag c_ispeed c_ospeed */
	__u8 cc[20], cc_locked[20];
	__u32 line_locked, __reserved;
};

#define TTY_QUEUE 4096 /* bytes, N_TTY_BUF_SIZE */

/* More than the ring has: file_tty_data.more. */
#define TTY_MOVES 1 /* the kernel is about to put it into the ring: it shows there a moment later */
#define TTY_STAYS 2 /* there is no room for it in the ring */

/*
 * REC_FILE_TTY_DATA: what a pty's side has to be read (struct n_tty_data). The ring of
 * TTY_QUEUE bytes follows, of which those from tail to head count, and a bit for each of
 * its bytes that says that it ends a line.
 */
struct file_tty_data {
	struct rec_head head;
	__u64 file;
	__u64 read_head, read_tail;
	__u64 more; /* TTY_MOVES, TTY_STAYS */
};

/* REC_FILE_COUNTER: an eventfd's count and flags, a signalfd's mask. */
struct file_counter {
	struct rec_head head;
	__u64 file;
	__u64 value, flags;
};

/* REC_FILE_TIMER: struct timerfd_ctx; times in nanoseconds. */
struct file_timer {
	struct rec_head head;
	__u64 file;
	__u64 ticks;
	__s64 interval, left; /* left: negative when due */
	__u32 clock, flags;
	__u32 armed;   /* its interrupt is still to come */
	__u32 expired; /* it stands still until it is read */
};

/* REC_FILE_MEMFD */
struct file_memfd {
	struct rec_head head;
	__u64 file;
	__u64 blocksize; /* bytes: of huge pages where hugetlb is set */
	__u32 seals, hugetlb;
};

/* REC_FILE_PIDFD: whose descriptor it is. */
struct file_pidfd {
	struct rec_head head;
	__u64 file, object; /* object: address of the struct pid */
	__u32 pid;	    /* in the reader's pid namespace, 0: not seen there */
	__u32 dead;	    /* nothing is left of the process */
};

/* Bits of file_socket.options. */
enum socket_option {
	OPT_REUSEADDR = 1,
	OPT_REUSEPORT = 2,
	OPT_DONTROUTE = 4,
	OPT_BROADCAST = 8,
	OPT_OOBINLINE = 16,
	OPT_KEEPALIVE = 32,
	OPT_LINGER = 64,
	OPT_PASSCRED = 128,
	OPT_PASSSEC = 256,
	OPT_PASSPIDFD = 512,
	OPT_PEEK_OFF = 1024,
	OPT_NO_CHECK = 2048,
	OPT_TIMESTAMP = 4096, /* SO_TIMESTAMP, SO_TIMESTAMPNS */
	OPT_RXQ_OVFL = 8192,
	OPT_LOCK_FILTER = 16384,
	OPT_NO_RIGHTS = 32768, /* SO_PASSRIGHTS is off */
	OPT_NOFCS = 1 << 16,
	OPT_WIFI_STATUS = 1 << 17,
	OPT_TXTIME = 1 << 18,
	OPT_RCVMARK = 1 << 19,
	OPT_RCVPRIORITY = 1 << 20,
	OPT_TIMESTAMPING = 1 << 21,
};

/* REC_FILE_SOCKET: struct sock; times in jiffies. What its family has follows. */
struct file_socket {
	struct rec_head head;
	__u64 file, object;
	__u64 rcvtimeo, sndtimeo, linger;
	__u64 filter; /* address of the attached program */
	__u32 family, type, protocol, state, shutdown, backlog;
	__u32 sndbuf, rcvbuf, rcvlowat, priority, mark, userlocks;
	__u32 options; /* enum socket_option */
	__u32 queued;  /* packets that wait to be received */
	__u32 netns, bound_dev; /* index of an interface */
	__u32 filter_len;	/* instructions of a classic program, 0: it is another */
	__u32 __reserved;
};

/*
 * REC_FILE_MESSAGE: before a unix socket's REC_FILE_SOCKET, a message in its queue that a peek
 * does not show the whole of: it carries open files, or no bytes.
 */
struct file_message {
	struct rec_head head;
	__u64 file;
	__u64 at;     /* bytes of the messages before it */
	__u64 place;  /* messages before it */
	__u32 len;    /* bytes */
	__u32 rights; /* open files travel with it */
	__u64 more;   /* there are more than were looked for */
};

/* The file that a unix socket's name made. */
struct unix_path {
	__u64 ino; /* 0: there is none */
	__u32 dev; /* s_dev */
	__u32 mode, uid, gid, nlink;
	__u32 unlinked;
};

/* REC_FILE_UNIX: struct unix_sock, after its REC_FILE_SOCKET. */
struct file_unix {
	struct rec_head head;
	__u64 file;
	__u64 peer, peer_ino; /* peer_ino: 0 as long as nobody has accepted it, and when it is closed */
	__u64 peer_peer;
	__u64 addr, peer_addr; /* struct unix_address; what a listener accepts has the listener's */
	__u32 peer_queued;     /* packets */
	__u32 peer_dead;
	__u32 oob;    /* urgent data waits */
	__u32 rights; /* open files in the messages that wait */
	__u32 name_len, peer_name_len;
	__u32 peer_type, __reserved;
	__u8 name[112], peer_name[112]; /* struct sockaddr_un */
	struct unix_path path;
};

/* Bits of file_inet.options. */
enum inet_option {
	INET_FREEBIND = 1,
	INET_PKTINFO = 2, /* IP_PKTINFO, IPV6_RECVPKTINFO */
	INET_HDRINCL = 4,
	INET_NODEFRAG = 8,
	INET_TRANSPARENT = 16,
	INET_V6ONLY = 32,
	INET_CORK = 64,		/* UDP_CORK, or a datagram that is not complete; TCP_CORK */
	INET_NODELAY = 128,	/* TCP_NODELAY */
	INET_MULTICAST = 256,	/* member of a group, or of an anycast one */
	INET_RECEIVES = 512,	/* control messages other than PKTINFO's are asked for */
	INET_IP_OPTIONS = 1024, /* IP_OPTIONS */
	INET_TUNNEL = 2048,	/* UDP_ENCAP */
	INET_LAYER = 4096,	/* TCP_ULP */
	INET_SIGNED = 8192,	/* TCP_MD5SIG */
	INET_CHECKSUM = 16384,	/* IPV6_CHECKSUM */
	INET_STEERED = 32768,	/* SO_ATTACH_REUSEPORT_CBPF, SO_ATTACH_REUSEPORT_EBPF */
};

/* REC_FILE_INET: struct inet_sock, after its REC_FILE_SOCKET. Addresses are in network order, ports in the host's. */
struct file_inet {
	struct rec_head head;
	__u64 file;
	__u8 src[16], dst[16]; /* IPv4: the first 4 */
	__u32 sport, dport;
	__u32 options; /* enum inet_option */
	__u32 tos;
	__s32 ttl;	/* -1: the system's */
	__u32 waiting;	/* of a listener: connections that nobody has accepted */
	__u32 keepidle, keepintvl, keepcnt; /* jiffies, jiffies, probes; 0: the system's */
	__u32 icmp_filter[8];
	__u32 __reserved;
};

/* REC_FILE_NETLINK: struct netlink_sock, after its REC_FILE_SOCKET. */
struct file_netlink {
	struct rec_head head;
	__u64 file;
	__u64 flags, groups; /* NETLINK_F_*; the first 64 groups */
	__u32 portid, dst_portid, dst_group;
	__u32 subscriptions; /* groups */
	__u64 answering;     /* the kernel is about to write more of an answer */
};

/* Bits of file_packet.options. */
enum packet_option {
	PKT_ORIGDEV = 1,
	PKT_AUXDATA = 2,
	PKT_LOSS = 4,
	PKT_TX_HAS_OFF = 8,
	PKT_QDISC_BYPASS = 16,
	PKT_IGNORE_OUTGOING = 32,
	PKT_RUNNING = 64,  /* packets come to it */
	PKT_FANOUT = 128,  /* member of a fanout group */
	PKT_STEERED = 256, /* PACKET_FANOUT_DATA: a program tells the group's packets apart */
};

/* A ring (struct packet_ring_buffer) as PACKET_RX_RING takes it: sizes in bytes, the timeout in ms. */
struct packet_ring {
	__u32 block_size, block_nr, frame_size, frame_nr;
	__u32 retire_tmo, sizeof_priv, features;
	__u32 used; /* it is not as PACKET_RX_RING made it */
};

/* REC_FILE_PACKET: struct packet_sock, after its REC_FILE_SOCKET. Its memberships follow. */
struct file_packet {
	struct rec_head head;
	__u64 file;
	__u32 options;	     /* enum packet_option */
	__u32 protocol;	     /* in network order */
	__s32 ifindex;	     /* 0: not bound, -1: the interface is gone */
	__u32 version;	     /* enum tpacket_versions */
	__u32 vnet_hdr;	     /* bytes, 0: none */
	__u32 reserve, timestamp, copy_thresh;
	__u32 fanout;	     /* as PACKET_FANOUT gives it */
	__u32 fanout_most;   /* members */
	struct packet_ring rx, tx; /* block_nr 0: none */
};

/* REC_FILE_MEMBER: a membership of a packet socket (struct packet_mclist). */
struct file_member {
	struct rec_head head;
	__u64 item, file; /* addresses of the membership and of the socket's file */
	__s32 ifindex;
	__u32 type, alen; /* PACKET_MR_*; bytes of the address */
	__u32 count;	  /* how often it was asked for */
	__u8 addr[32];
};

/* REC_FILE_WATCH: a file that an epoll instance watches (struct epitem). */
struct file_watch {
	struct rec_head head;
	__u64 item, file; /* addresses of the epitem and of the epoll's own file */
	__u64 target;	  /* address of the watched file */
	__u64 data, ino, pos;
	__u32 fd, events;
	__u32 dev, __reserved; /* s_dev */
};

/*
 * REC_FILE_MARK: what an inotify instance watches (struct inotify_inode_mark), or a fanotify one.
 * names_len bytes follow, padded to 8: the inode's name, that of its directory
 * and so on up to the root of the file system, each with a final 0.
 */
struct file_mark {
	struct rec_head head;
	__u64 item, file; /* addresses of the mark and of the inotify's own file */
	__u64 ino;
	__u32 dev; /* s_dev */
	__s32 wd;
	__u32 mask, flags; /* fsnotify_mark's */
	__u32 named;	   /* it has a name, or is the root */
	__u32 names_len;
	__u32 queued; /* events that the instance has waiting */
	/* Of a fanotify mark only: */
	__u32 type;    /* enum fsnotify_obj_type; dev, ino and names are an inode's only */
	__u32 ignored; /* mask */
	__s32 mnt_id;
	__u32 nlink, __reserved; /* of the inode */
};

/* REC_FILE_FANOTIFY: an instance (struct fanotify_group_private_data); its marks follow. */
struct file_fanotify {
	struct rec_head head;
	__u64 file;
	__u32 flags, event_flags; /* of fanotify_init(2) */
	__u64 queued;		  /* events */
};

enum file_lock_class {
	LOCK_CLASS_FLOCK = 1,
	LOCK_CLASS_POSIX,
	LOCK_CLASS_OFD,
	LOCK_CLASS_LEASE,
};

/* REC_FILE_LOCK: a lock that was taken with this file (struct file_lock, file_lease). */
struct file_lock_rec {
	struct rec_head head;
	__u64 item, file; /* addresses */
	__u64 owner;	  /* table of a POSIX lock, file of others */
	__s64 start, end; /* bytes, end included */
	__u32 class, type;
	__u32 flags; /* fl_flags */
	__u32 pid;
};

enum list_change {
	LIST_CHANGED = 1, /* the list is not what it was: read it anew */
	LIST_GONE,	  /* the descriptor was closed */
};

/*
 * REC_FILE_MORE: a list of a file goes on. more_file goes on at next (an
 * address) or skip (entries); both 0 say that it is complete.
 */
struct file_more {
	struct rec_head head;
	__u64 file, next, skip;
	__u32 tgid, tid, fd;
	__u32 type;    /* of the list's records */
	__u64 changed; /* enum list_change */
};

/* What more_file is asked for; the reader's leader holds it. */
struct file_place {
	__u64 file, next, skip;
	__u32 tid, fd;
	__u32 type, __reserved;
};

/* --- tcp.bpf.c --- */

/* Bits of tcp_rec.options: TCPI_OPT_* of uapi/linux/tcp.h, and what comes with a socket. */
enum tcp_option {
	TCP_TIMESTAMPS = 1,
	TCP_SACK = 2,
	TCP_WSCALE = 4,
	TCP_DONE = 0x100,     /* a FIN has been received */
	TCP_URGENT = 0x200,   /* urgent data waits */
	TCP_REUSEADDR = 0x400,
	TCP_UNSTABLE = 0x800, /* it changed while it was read */
};

/* REC_TCP: what a connection is at (struct tcp_sock). */
struct tcp_rec {
	struct rec_head head;
	__u64 file, object; /* addresses of the file and of the sock */
	__u64 refs; /* to the file */
	__u32 tgid, fd;
	__u32 state, options; /* enum tcp_option */
	__u32 rcv_nxt, copied_seq, rcv_wnd, rcv_wup;
	__u32 snd_una, snd_nxt, write_seq, snd_wl1, snd_wnd, max_window;
	__u32 timestamp; /* as TCP_TIMESTAMP gives it */
	__u32 mss_clamp, snd_wscale, rcv_wscale;
};

/* --- aio.bpf.c --- */

/* REC_AIO: a context of io_setup(2) (struct kioctx). */
struct aio_rec {
	struct rec_head head;
	__u64 id, size; /* where its ring is mapped, bytes */
	__u64 file;	/* address of the mapped file */
	__s64 inflight; /* requests that have not ended */
	__u32 waiting;	/* those of them that wait for an event, or for a device that may cancel them */
	__u32 events;	/* that its ring holds */
	__u32 tail;	/* where the next one goes */
	__u32 tgid;
	__u32 place; /* in the process's table */
	__u32 more;  /* there may be more contexts behind it */
};

/* What more_aio is asked for; the reader's leader holds it. */
struct aio_place {
	__u32 pid;  /* in the reader's pid namespace */
	__u32 skip; /* places in the table */
};

#endif
