package loader

import "github.com/cilium/ebpf"

// source is one iterator program: where it comes from and who reads its
// records. A new program is one entry here and one decode function.
type source struct {
	name   string                               // of the object, for errors and pins
	spec   func() (*ebpf.CollectionSpec, error) // made by bpf2go; holds exactly one iterator program
	decode func(rec []byte, b *builder) error   // pure: one record into the tree
}

// sources are read in this order inside the freeze.
var sources = []source{
	{"thread", loadThread, decodeThread},
}
