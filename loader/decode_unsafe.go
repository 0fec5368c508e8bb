package loader

import (
	"fmt"
	"unsafe"
)

// view is rec as the C struct T that bpf2go made of records.h, and what follows
// it in the record. Nothing is copied.
func view[T any](rec []byte) (*T, []byte, error) {
	var t T
	size := int(unsafe.Sizeof(t))
	if len(rec) < size {
		return nil, nil, fmt.Errorf("%w: type %d has %d bytes, not %d", errRecord, recordType(rec), len(rec), size)
	}
	p := unsafe.Pointer(unsafe.SliceData(rec))
	if uintptr(p)%unsafe.Alignof(t) != 0 {
		p = unsafe.Pointer(&t)
		copy(unsafe.Slice((*byte)(p), size), rec)
	}
	return (*T)(p), rec[size:], nil
}

// cstring is a fixed array of C characters up to its NUL.
func cstring[T int8 | uint8](s []T) string {
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s))
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
