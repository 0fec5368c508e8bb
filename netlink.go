package fastcr

// NetlinkSocket is a socket of AF_NETLINK (struct netlink_sock).
type NetlinkSocket struct {
	Ino               uint64
	Protocol, State   uint32 // NETLINK_ROUTE …; 1: connected
	Port              uint32 // nl_pid, 0: not bound
	DstPort, DstGroup uint32
	Groups            uint32 // it listens to, the first 32
	MoreGroups        bool   // and to others
	Flags             uint64 // NETLINK_F_*
	SndBuf, RcvBuf    uint32 // bytes
	Options           SocketOptions
	QueuedPackets     uint32
	Answering         bool // the kernel is about to write more of an answer
	NetNS             uint32
}
