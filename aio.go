package fastcr

import "fmt"

// AIOContext is a context of io_setup(2) (struct kioctx).
type AIOContext struct {
	ID, Size uint64 // where its ring is mapped, bytes: ID is the aio_context_t
	File     KObj   // the mapped file
	Events   uint32 // that the ring holds
	Tail     uint32 // where the next one goes
	InFlight int64  // requests that have not ended
	Waiting  uint32 // those of them that wait for an event (IOCB_CMD_POLL), or may be cancelled by their device

	Ring *AIORing // what the program sees; nil: not mapped. Filled by package objects
}

// String names the context: "AIO context 7f0123456000".
func (c *AIOContext) String() string { return fmt.Sprintf("AIO context %x", c.ID) }

// AIORing is the beginning of a context's ring (struct aio_ring), which its program may write to.
type AIORing struct {
	Nr, Head, Tail                 uint32 // events, and places among them
	Magic, Compat, Incompat, Bytes uint32 // Bytes: of the beginning
}
