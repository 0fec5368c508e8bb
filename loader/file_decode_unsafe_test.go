package loader

import "unsafe"

// record is r, a struct of records.h that starts with its head, as the kernel
// writes it, followed by tail.
func record[T any](typ uint32, r T, tail ...byte) []byte {
	for len(tail)%8 != 0 {
		tail = append(tail, 0)
	}
	b := append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&r)), unsafe.Sizeof(r))...)
	b = append(b, tail...)
	head := (*[2]uint32)(unsafe.Pointer(&b[0]))
	head[0], head[1] = typ, uint32(len(b))
	return b
}
