package loader

import (
	"encoding/binary"
	"testing"
)

func TestEndOfIterator(t *testing.T) {
	head := func(typ, size uint32) []byte {
		b := binary.NativeEndian.AppendUint32(nil, typ)
		return binary.NativeEndian.AppendUint32(b, size)
	}
	end := head(recEnd, headSize)
	record := append(head(1, 24), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
	lookalike := append(append(head(1, 24), 1, 2, 3, 4, 5, 6, 7, 8), end...)
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	tests := []struct {
		name string
		buf  []byte
		want bool
	}{
		{"nothing", nil, false},
		{"the mark alone", end, true},
		{"after a record", join(record, record, end), true},
		{"no mark", join(record, record), false},
		{"a record that ends like the mark", join(record, lookalike), false},
		{"and then the mark", join(record, lookalike, end), true},
		{"damaged", join(head(1, 4), end), false},
		{"damaged length", join(head(1, 1000), end), false},
	}
	for _, tt := range tests {
		if got := isEnd(tt.buf); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
