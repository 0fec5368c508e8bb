package freeze

import "encoding/binary"

// PacketGuard tells how a lock of the tree's network packets is lifted if fastcr cannot.
type PacketGuard struct {
	// LastWords is a message to the kernel's netfilter netlink socket that removes what would outlive
	// fastcr. It is sent if the tree lives on, and while fastcr is stopped.
	LastWords []byte
	// SwitchMap, if not 0, is the number of a BPF map whose value 0 at key 0 lifts what goes
	// with fastcr. It is written while fastcr is stopped.
	SwitchMap uint32
	// Socket, if Off is not empty, is a netfilter netlink socket that the lock goes with, and Off a
	// message for it that lifts the lock. It is sent while fastcr is stopped.
	Socket int
	Off    []byte
}

// GuardPackets has the guardian know of a lock. Call it before the freeze.
func (h *Hold) GuardPackets(p PacketGuard) error {
	number := func(kind string, n uint32) []byte { return binary.NativeEndian.AppendUint32([]byte("\x00"+kind), n) }
	var messages [][]byte
	if len(p.LastWords) > 0 {
		messages = append(messages, append([]byte("\x00L"), p.LastWords...))
	}
	if p.SwitchMap != 0 {
		messages = append(messages, number("M", p.SwitchMap))
	}
	if len(p.Off) > 0 {
		messages = append(messages, append(number("N", uint32(p.Socket)), p.Off...))
	}
	for _, m := range messages {
		if err := h.guardian.tell(m, "the packet lock"); err != nil {
			return err
		}
	}
	return nil
}
