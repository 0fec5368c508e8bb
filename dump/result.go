package dump

import "time"

// Stages are the times of a dump's stages. JSON gives them in microseconds.
type Stages struct {
	Prepare time.Duration // until the freeze: load, open, look, size, prefault
	Freeze  time.Duration // writing cgroup.freeze until every task is frozen
	Collect time.Duration // reading the iterators
	Copy    time.Duration // scanning page tables, copying pages, asking objects
	Thaw    time.Duration // writing cgroup.freeze again, or killing
	Encode  time.Duration // decoding records, building and writing images
	Sync    time.Duration // fsync, rename
}

// Result is what a successful dump tells.
type Result struct {
	PIDs        []int
	Threads     int
	Files       int
	VMAs        int
	Pages       uint64        // written, of private memory
	SharedPages uint64        // written, of shared memory objects
	Scanned     uint64        // pages that the scan looked at
	Frozen      time.Duration // from the first write of cgroup.freeze until the target ran on or was killed
	Total       time.Duration
	Interrupted int      // threads whose call returns EINTR because of the freeze (see Limits in the README)
	Restarted   int      // of those, mended by --restart-calls
	Sleepers    int      // threads whose sleep was restarted with ptrace, because their seccomp filter forbids restart_syscall
	Lost        []string // what a restore will not bring back, a line each: it was warned of in the log
	Stages      Stages
}
