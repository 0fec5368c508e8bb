// Package images writes and checks checkpoints in CRIU's format: protobuf
// messages behind magic numbers, raw pages, and a directory whose
// inventory.img is written last.
//
//	file = magic [magic] { u32 size, message }…
package images

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Magic numbers of CRIU 1.x and newer images, little endian.
const (
	magicCommon  = 0x54564319 // begins every image
	magicService = 0x55105940 // begins stats-dump

	magicInventory  = 0x58313116
	magicPstree     = 0x50273030
	magicCore       = 0x55053847
	magicIDs        = 0x54432030
	magicMM         = 0x57492820
	magicPagemap    = 0x56084025
	magicFS         = 0x51403912
	magicFdinfo     = 0x56213732
	magicFiles      = 0x56303138
	magicPipesData  = 0x56453709
	magicFifoData   = 0x59333054
	magicSkQueues   = 0x56264026
	magicTTYData    = 0x59413026
	magicTTYInfo    = 0x59453036
	magicSeccomp    = 0x64413049
	magicTimens     = 0x43114433
	magicCgroup     = 0x59383330
	magicRemapFpath = 0x59133954
	magicGhostFile  = 0x52583605
	magicFileLocks  = 0x54323616
	magicMemfd      = 0x48453499
	magicTCPStream  = 0x51465506
	magicStats      = 0x57093306
)

// maxMessage bounds a message before memory is allocated for it, in bytes.
const maxMessage = 64 << 20

var errFormat = errors.New("not a CRIU image, or damaged")

// writer builds one image in memory.
type writer struct {
	buf []byte
}

// newWriter begins a file with two magic numbers.
func newWriter(first, second uint32) *writer {
	w := &writer{buf: make([]byte, 0, 4096)}
	w.buf = binary.LittleEndian.AppendUint32(w.buf, first)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, second)
	return w
}

// newImage begins a usual image. The inventory, which says what the others begin
// with, has its own magic number only.
func newImage(magic uint32) *writer {
	if magic == magicInventory {
		return &writer{buf: binary.LittleEndian.AppendUint32(nil, magic)}
	}
	return newWriter(magicCommon, magic)
}

// message is what package pb has for every message of CRIU's.
type message interface {
	Reset()
	SizeVT() int
	MarshalToSizedBufferVT([]byte) (int, error)
	UnmarshalVT([]byte) error
}

// message appends one message with its size.
func (w *writer) message(m message) error {
	size := m.SizeVT()
	w.buf = slices.Grow(w.buf, 4+size)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(size))
	at := len(w.buf)
	w.buf = w.buf[:at+size]
	if _, err := m.MarshalToSizedBufferVT(w.buf[at:]); err != nil {
		return fmt.Errorf("encode %T: %w", m, err)
	}
	return nil
}

// raw appends bytes that follow a message (CRIU's "extra" payload).
func (w *writer) raw(b []byte) { w.buf = append(w.buf, b...) }

// reader reads messages of one image.
type reader struct {
	r io.Reader
}

// newReader checks the magic numbers that newImage writes.
func newReader(r io.Reader, magic uint32) (*reader, error) {
	return readAfter(r, newImage(magic).buf)
}

// readAfter checks that a file begins with want.
func readAfter(r io.Reader, want []byte) (*reader, error) {
	head := make([]byte, len(want))
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("%w: no magic number", errFormat)
	}
	if !bytes.Equal(head, want) {
		return nil, fmt.Errorf("%w: wrong magic number %x", errFormat, head)
	}
	return &reader{r}, nil
}

// next reads the next message into m; io.EOF at the image's end.
func (r *reader) next(m message) error {
	var size [4]byte
	if _, err := io.ReadFull(r.r, size[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return fmt.Errorf("%w: truncated", errFormat)
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n > maxMessage {
		return fmt.Errorf("%w: a message of %d bytes", errFormat, n)
	}
	b, err := io.ReadAll(io.LimitReader(r.r, int64(n)))
	if err != nil {
		return err
	}
	if len(b) != int(n) {
		return fmt.Errorf("%w: truncated", errFormat)
	}
	m.Reset()
	if err := m.UnmarshalVT(b); err != nil {
		return fmt.Errorf("%w: %w", errFormat, err)
	}
	return nil
}

// skip passes over bytes that follow a message.
func (r *reader) skip(n uint64) error {
	if n > math.MaxInt64 {
		return fmt.Errorf("%w: %d bytes behind a message", errFormat, n)
	}
	if _, err := io.CopyN(io.Discard, r.r, int64(n)); err != nil {
		return fmt.Errorf("%w: truncated", errFormat)
	}
	return nil
}
