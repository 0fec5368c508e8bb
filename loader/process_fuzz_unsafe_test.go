package loader

import (
	"encoding/binary"
	"testing"
	"unsafe"
)

// FuzzProcess feeds records of processes and mappings, of the right sizes, with any bytes in them.
func FuzzProcess(f *testing.F) {
	type kind struct {
		typ    uint32
		size   uintptr
		source string
	}
	kinds := []kind{
		{recProcessPath, unsafe.Sizeof(processProcessPath{}) + 16, "process"},
		{recProcessSiginfo, unsafe.Sizeof(processProcessSiginfo{}), "process"},
		{recProcessTimer, unsafe.Sizeof(processProcessTimer{}), "process"},
		{recProcess, unsafe.Sizeof(processProcessRec{}), "process"},
		{recVMAFile, unsafe.Sizeof(vmaVmaFile{}) + 8, "vma"},
		{recVMA, unsafe.Sizeof(vmaVmaRec{}) + 8, "vma"},
	}
	seed := make([]byte, 6000)
	for i := range seed {
		seed[i] = byte(i % 3)
	}
	f.Add([]byte{0, 1, 2, 3, 4, 5}, seed)
	f.Add([]byte{5, 3, 2, 1}, make([]byte, 6000))
	f.Fuzz(func(t *testing.T, order, fill []byte) {
		b := newBuilder()
		for _, o := range order {
			k := kinds[int(o)%len(kinds)]
			rec := make([]byte, k.size)
			n := copy(rec[headSize:], fill)
			fill = fill[min(n/2, len(fill)):]
			binary.NativeEndian.PutUint32(rec, k.typ)
			binary.NativeEndian.PutUint32(rec[4:], uint32(k.size))
			for i := range sources {
				if src := &sources[i]; src.name == k.source && src.decode(rec, b) != nil {
					return
				}
			}
		}
		_, _ = b.tree()
	})
}
