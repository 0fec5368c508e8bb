package loader

// source is one object file of BPF programs: where it comes from and who reads
// its records. A new one is one entry here and one decode function.
//
// Its iterator program is the one that is not named more_*. It may have a
// second one, named more_*, that starts at a cursor (see more.go), with a
// task storage map named <name>_cursor.
type source struct {
	name   string                             // for errors, pins and the cursor map
	object []byte                             // embedded by bpf2go
	decode func(rec []byte, b *builder) error // pure: one record into the tree
	rest   func(s *Session, st *stream) error // reads what one pass leaves; nil: nothing is ever left
	late   bool                               // not read by Collect
	picked bool                               // iterators are made for some processes only, not by NewSession and Add
}

// sources are read in this order inside the freeze.
var sources = []source{
	{name: "thread", object: _ThreadBytes, decode: decodeThread, rest: restOfThreads},
	{name: "process", object: _ProcessBytes, decode: decodeProcess, rest: restOfProcesses},
	{name: "vma", object: _VmaBytes, decode: decodeVMA},
	{name: "file", object: _FileBytes, decode: decodeFile, rest: restOfFiles},
	{name: "tcp", object: _TcpBytes, decode: decodeTCP, late: true},
	{name: "aio", object: _AioBytes, decode: decodeAIO, rest: restOfAIO, late: true, picked: true},
}
