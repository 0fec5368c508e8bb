package freeze

import "encoding/binary"

// GuardPackets tells the guardian how a lock of the tree's network packets is
// lifted if fastcr cannot. lastWords, if there are any, is a message to the kernel's netfilter
// netlink socket that removes what would outlive fastcr: it is sent if the tree lives on.
// switchMap, if not 0, is the number of a BPF map whose value 0 at key 0 lifts what
// goes with fastcr: that is written while fastcr is stopped. Call it before the freeze.
func (h *Hold) GuardPackets(lastWords []byte, switchMap uint32) error {
	const what = "the packet lock"
	if len(lastWords) > 0 {
		if err := h.guardian.tell(append([]byte("\x00L"), lastWords...), what); err != nil {
			return err
		}
	}
	if switchMap == 0 {
		return nil
	}
	return h.guardian.tell(binary.NativeEndian.AppendUint32([]byte("\x00M"), switchMap), what)
}
