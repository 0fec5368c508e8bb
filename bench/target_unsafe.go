package bench

import (
	"sync/atomic"
	"unsafe"
)

// word is one of the board's numbers, which the target writes meanwhile.
func (t *Target) word(offset int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&t.board[offset]))
}
