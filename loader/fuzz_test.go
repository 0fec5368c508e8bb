package loader

import (
	"encoding/binary"
	"testing"

	"github.com/fastcr/fastcr/xstate"
)

// FuzzDecode feeds every decoder with bytes that no kernel would write.
func FuzzDecode(f *testing.F) {
	for i := range sources {
		for _, typ := range []uint32{1, 2, 3, 4, 32, 33, 34, 35, 36, 64, 96} {
			rec := make([]byte, 2048)
			binary.NativeEndian.PutUint32(rec, typ)
			binary.NativeEndian.PutUint32(rec[4:], uint32(len(rec)))
			for j := headSize; j < len(rec); j++ {
				rec[j] = byte(j % 3)
			}
			f.Add(uint8(i), rec)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, buf []byte) {
		b := newBuilder()
		src := &sources[int(which)%len(sources)]
		if err := eachRecord(buf, func(rec []byte) error { return src.decode(rec, b) }); err != nil {
			return
		}
		_, _ = b.tree()
	})
}

func FuzzXsave(f *testing.F) {
	raw := make([]byte, 2696)
	for i := range raw {
		raw[i] = byte(i)
	}
	f.Add(raw, uint64(0xe7), uint32(5))
	f.Fuzz(func(t *testing.T, raw []byte, user uint64, pkru uint32) {
		l := xstate.Machine()
		out, err := standardXsave(l, raw, user, pkru)
		if err == nil && len(out) != int(l.Size) {
			t.Errorf("%d bytes, want %d", len(out), l.Size)
		}
	})
}
