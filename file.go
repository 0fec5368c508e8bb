package fastcr

import (
	"fmt"
	"slices"
	"strings"
)

// FD is one entry of a file descriptor table.
type FD struct {
	Num     int
	CloExec bool
	File    *File // shared between FDs (and processes) that have the same open file
}

// FileKind is the kind of an open file.
type FileKind uint8

const (
	KindUnknown FileKind = iota
	KindRegular          // regular file, directory, block device
	KindCharDev          // character devices that restore as plain opens (null, zero, random …)
	KindPipe
	KindFIFO
	KindTTY
	KindEventfd
	KindEpoll
	KindSignalfd
	KindTimerfd
	KindInotify
	KindMemfd
	KindUnixSocket
	KindSocket // any other socket family
	KindNamespace
	KindPidfd
	KindFanotify
	KindIOUring
	KindUserfaultfd
	KindPerf
	KindBPF
	KindKVM
	KindDRM
	KindAnonOther // another anonymous inode; PathRef.Path names it
	KindInetSocket
	KindNetlinkSocket
	KindPacketSocket
)

// File is one open file (struct file).
type File struct {
	ID     KObj
	Kind   FileKind
	Flags  uint32 // f_flags as F_GETFL gives them
	Mode   uint32 // f_mode
	Pos    uint64 // bytes
	Path   PathRef
	Owner  FileOwner
	Detail any // *Pipe, *TTY, *Eventfd, *Epoll, *Signalfd, *Timerfd, *Inotify, *Fanotify, *Memfd, *Pidfd, *UnixSocket, *Socket, *InetSocket, *NetlinkSocket, *PacketSocket; nil for plain files and for what O_PATH opened
	Locks  []FileLock
	// InMessage says that a message of a unix socket has it too (SCM_RIGHTS).
	InMessage bool
	// Content is filled by package objects: what had to be asked of the object.
	Content any
}

// FileOwner is the F_SETOWN/F_SETSIG state (struct fown_struct).
type FileOwner struct {
	PIDType   uint32 // 0 PIDTYPE_PID (thread), 1 TGID, 2 PGID, 3 SID as the kernel numbers them
	PID       int
	UID, EUID uint32
	Signum    uint32
}

// FileLock is one lock held on a file (struct file_lock, lease).
type FileLock struct {
	Class      LockClass
	Type       uint32 // F_RDLCK 0, F_WRLCK 1, F_UNLCK 2
	Start, End uint64 // bytes; End ^0>>1: to the end of the file
	PID        int    // of the process that took it; 0: another than the one that it was met in, or an OFD lock
	FilesID    KObj   // owner table of a POSIX lock
	Breaking   bool   // a lease that somebody waits to see broken
	Target     uint32 // the type that a breaking lease is to become
}

// LockClass is flock, POSIX, OFD or lease.
type LockClass uint8

const (
	LockFlock LockClass = iota + 1
	LockPOSIX
	LockOFD
	LockLease
)

// Pipe is a pipe's or FIFO's state (struct pipe_inode_info).
type Pipe struct {
	ID               uint64 // inode number: CRIU's pipe_id
	Object           KObj
	Readers, Writers uint32
	RingSize         uint32 // bytes, F_GETPIPE_SZ
	Bytes            uint32 // queued
	Packets          bool   // a buffer has PIPE_BUF_FLAG_PACKET
	WatchQueue       bool   // O_NOTIFICATION_PIPE: it carries the kernel's notifications
}

// TTY is a terminal file's state (struct tty_struct). Termios, Winsize, PGRP and
// Session are the slave's where the file is a pty's master, as the ioctls give them.
type TTY struct {
	Object, Link                 KObj   // this tty and, of a pty, the other side
	DriverType                   uint32 // TTY_DRIVER_TYPE_*, as numbered before Linux 6.18: 4 is a pty
	Subtype                      uint32 // pty: 1 master, 2 slave
	Index                        uint32
	Major, MinorStart            uint32
	Termios                      Termios
	TermiosLocked                Termios
	Winsize                      Winsize
	PGRP, Session                int    // 0: none, in our pid namespace
	Flags                        uint64 // TTY_* bits as this kernel numbers them
	Exclusive, Packet, PtyLocked bool
	OtherClosed                  bool // the other side has no open file
	Hung                         bool // hung up: every call on the file fails
	Count                        uint32
	Queued                       []byte // of a pty: what waits to be read from this side
	EOFs                         []int  // which of these bytes are typed ends of file
	More                         bool   // bytes wait for which the queue has no room
	Moving                       bool   // bytes were about to come into the queue when it was read
}

// Termios is struct ktermios.
type Termios struct {
	Iflag, Oflag, Cflag, Lflag uint32
	Line                       uint8
	CC                         [19]uint8
	Ispeed, Ospeed             uint32
}

// Winsize is struct winsize.
type Winsize struct{ Row, Col, XPixel, YPixel uint16 }

// Eventfd is an eventfd's counter.
type Eventfd struct {
	Counter   uint64
	Semaphore bool
}

// Epoll is an epoll instance's watches.
type Epoll struct{ Watches []EpollWatch }

// EpollWatch is one watched file (struct epitem).
type EpollWatch struct {
	FD            int
	File          KObj
	Events        uint32
	Data          uint64
	Dev, Ino, Pos uint64 // as fdinfo prints them: Dev is s_dev in the kernel's encoding
}

// Signalfd is a signalfd's mask.
type Signalfd struct{ Mask uint64 }

// Timerfd is a timerfd's state; times in nanoseconds.
type Timerfd struct {
	ClockID         uint32
	Flags           uint32 // TFD_TIMER_* settime flags
	Ticks           uint64 // that a read would return
	Interval, Value uint64 // Value: time left, 0: disarmed
}

// Inotify is an inotify instance's watches.
type Inotify struct {
	Watches []InotifyWatch
	Queued  uint32 // events that wait to be read; the image format has no place for them
}

// InotifyWatch is one watch. FSPath is what the loader knows; Path and Handle are
// filled by package objects, which knows the mounts.
type InotifyWatch struct {
	WD         int32
	Mask       uint32 // IN_*
	Ino        uint64
	SDev       uint32 // s_dev in the kernel's encoding
	Nlink      uint32 // 0: it was deleted
	FSPath     string // of the inode from its file system's root, "" when the kernel has no name of it at hand
	HandleType int32  // with Handle, what name_to_handle_at(2) gives
	Handle     []byte
	Path       string
}

// Fanotify is a fanotify instance and its marks.
type Fanotify struct {
	Flags, EventFlags uint32 // of fanotify_init(2)
	Marks             []FanotifyMark
	Queued            uint32 // events that wait to be read; the image format has no place for them
}

// FanotifyMark is one mark: on an inode (InotifyWatch has it, without WD), on a mount, or on
// something else.
type FanotifyMark struct {
	InotifyWatch
	Type    uint32 // 0 an inode, 1 a mount, others as the kernel numbers them
	Ignored uint32 // mask
	Flags   uint32 // of fsnotify_mark
	MountID int32  // of a mount
}

// Memfd is memory with a descriptor (memfd_create(2)); two files of one memfd have
// the same Path.SDev and Path.Ino.
type Memfd struct {
	Name     string // without "memfd:"
	Seals    uint32 // F_GET_SEALS
	HugePage uint64 // bytes; 0: no huge pages
}

// Pidfd is whose descriptor a pidfd is.
type Pidfd struct {
	Object KObj // the struct pid: that of a process that is gone is nobody else's
	PID    int  // in our pid namespace, 0: not seen there
	Dead   bool // nothing is left of the process, not even a zombie
}

// Socket is a socket of a family that has no type of its own.
type Socket struct {
	Object                      KObj
	Ino                         uint64
	Family, Type, Protocol      uint32
	State, NetNS, QueuedPackets uint32
}

// String names the socket as a user knows it: "netlink socket, type 3, protocol 0".
func (s *Socket) String() string {
	family, ok := socketFamilies[s.Family]
	if !ok {
		family = fmt.Sprintf("family %d", s.Family)
	}
	return fmt.Sprintf("%s socket, type %d, protocol %d", family, s.Type, s.Protocol)
}

// socketFamilies are names of AF_* (linux/socket.h).
var socketFamilies = map[uint32]string{
	15: "key", 16: "netlink", 17: "packet", 21: "rds", 29: "can", 30: "tipc", 31: "bluetooth",
	38: "alg", 40: "vsock", 43: "smc", 44: "xdp", 45: "mctp",
}

// UnixSocket is a unix socket (struct unix_sock).
type UnixSocket struct {
	Object, Peer      KObj
	PeerPeer          KObj // whom the peer is connected to
	Addr, PeerAddr    KObj // struct unix_address: what a listener accepts has the listener's
	Ino, PeerIno      uint64
	Type, PeerType    uint32 // SOCK_STREAM …
	State             uint32 // TCP_* numbering
	Name, PeerName    []byte // bound address: abstract with its leading NUL, a path with the kernel's final one
	Bound             *UnixPath
	Shutdown          uint32 // RCV_SHUTDOWN 1, SEND_SHUTDOWN 2
	Backlog           uint32
	SndBuf, RcvBuf    uint32 // bytes
	PassCred, PassSec bool
	Options           SocketOptions
	QueuedPackets     uint32
	Rights            uint32 // open files in the messages that wait
	PeerQueued        uint32 // packets that the peer has waiting
	PeerDead          bool   // the peer was closed
	OOB               bool   // urgent data waits
	NetNS             uint32
}

// UnixPath is the file that a unix socket's name made. Dir is filled by package
// objects: the directory that a relative name starts from.
type UnixPath struct {
	Ino            uint64
	SDev           uint32 // s_dev in the kernel's encoding
	Mode, UID, GID uint32
	Nlink          uint32
	Deleted        bool
	Dir            string
}

// HasPath tells whether the socket is bound to a path, not to an abstract name or none.
func (u *UnixSocket) HasPath() bool { return len(u.Name) > 0 && u.Name[0] != 0 }

// SocketName is a bound address as programs write it: a path, or an abstract name after an @.
func SocketName(name []byte) string {
	if len(name) > 0 && name[0] == 0 {
		return "@" + string(name[1:])
	}
	path, _, _ := strings.Cut(string(name), "\x00")
	return path
}

// SocketOptions are the SOL_SOCKET options that CRIU's sk_opts keeps, and some that it does not.
type SocketOptions struct {
	Reuseaddr, Reuseport, Dontroute, Broadcast, Oobinline, Keepalive, Passcred, Passsec, Passpidfd, PeekOff bool
	NoCheck                                                                                                 bool
	Timestamp                                                                                               bool // SO_TIMESTAMP or SO_TIMESTAMPNS
	RxqOvfl, LockFilter, NoRights                                                                           bool // NoRights: SO_PASSRIGHTS is off
	NoFCS, WifiStatus, TxTime, RcvMark, RcvPriority, Timestamping                                           bool
	Linger, Priority, Mark, RcvLowat, BufLock                                                               uint32 // Linger in seconds
	LingerOn                                                                                                bool
	SndTimeo, RcvTimeo                                                                                      uint64 // microseconds; 0: none
	BoundDev                                                                                                uint32 // index of an interface, 0: none
	Filter                                                                                                  KObj   // the attached program
	FilterLen                                                                                               uint32 // its instructions if it is a classic one
}

// HardMessage is a message in a unix socket's queue that a peek does not show the whole of:
// it carries open files, which a peek at a stream gives with the bytes before them, or is empty.
type HardMessage struct {
	At, Place int // bytes and messages before it
	Len       int // bytes
	Rights    bool
	More      bool // there are more such than were looked for
}

// AskedOptions are socket options that have to be asked of the socket.
type AskedOptions struct {
	Filter []uint64 // a classic filter's instructions: code, jt, jf and k from the highest bits on
	Device string   // name of the interface that it is bound to
}

// PipeContent is what tee(2) found in a pipe: packets are kept apart.
type PipeContent struct{ Data []byte }

// SocketQueue is what MSG_PEEK found in a socket's receive queue.
type SocketQueue struct {
	Packets []SocketPacket
	PeekOff int32 // SO_PEEK_OFF of the target, -1: off
}

// Len is the number of packets; a nil queue is empty.
func (q *SocketQueue) Len() int {
	if q == nil {
		return 0
	}
	return len(q.Packets)
}

// HasRights tells whether open files wait in it.
func (q *SocketQueue) HasRights() bool {
	return q != nil && slices.ContainsFunc(q.Packets, func(p SocketPacket) bool { return len(p.Rights) > 0 })
}

// SocketPacket is a message that waits in a socket, or a part of a stream.
type SocketPacket struct {
	Data   []byte
	From   string // the sender's name as SocketName gives it
	FDs    []int  // of fastcr's own: duplicates of the open files that travel with it, until the thaw
	Rights []KObj // the same open files
}

// GhostContent is a deleted file's content.
type GhostContent struct {
	Extents []GhostExtent
	Target  string // of a symbolic link
}

// GhostExtent is a data extent of a deleted file.
type GhostExtent struct {
	Off  uint64
	Data []byte
}
