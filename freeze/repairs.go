package freeze

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Repairs is the list of the tree's sockets that are in TCP's repair mode, in which they are useless
// to their owner: if fastcr dies, or is stopped, the guardian ends the mode before it thaws
// the tree. It is memory that the two share: an entry costs a few instructions.
type Repairs struct {
	mem  []byte // struct repairs of guardian.c
	room int
}

// Layout of struct repairs.
const (
	repairsCount  = 0
	repairsKilled = 4
	repairsRoom   = 8
	repairsHead   = 16
	repairSize    = 16
)

// ErrNoRepairs says that there is no room for another socket.
var ErrNoRepairs = errors.New("no room for another socket in repair mode")

// GuardRepairs makes a list with so much room that the guardian knows of. It is called once
// a hold, before the freeze.
func (h *Hold) GuardRepairs(room int) (*Repairs, error) {
	size := repairsHead + room*repairSize
	fd, err := unix.MemfdCreate("fastcr-repairs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create for a list of sockets: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, fmt.Errorf("list of sockets: %w", err)
	}
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("map a list of sockets: %w", err)
	}
	binary.NativeEndian.PutUint64(mem[repairsRoom:], uint64(room))
	r := &Repairs{mem: mem, room: room}
	if err := h.guardian.tell(binary.NativeEndian.AppendUint32([]byte("\x00R"), uint32(fd)), "the list of sockets"); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Begin adds descriptor fd of process pid; reuseaddr is its SO_REUSEADDR, which the end of
// the mode takes away. It is called before the mode begins.
func (r *Repairs) Begin(pid, fd int, reuseaddr bool) error {
	if r == nil {
		return ErrNoRepairs
	}
	n := r.Len()
	if n == r.room {
		return ErrNoRepairs
	}
	at := r.mem[repairsHead+n*repairSize:]
	binary.NativeEndian.PutUint32(at, uint32(pid))
	binary.NativeEndian.PutUint32(at[4:], uint32(fd))
	binary.NativeEndian.PutUint32(at[8:], 0)
	if reuseaddr {
		at[8] = 1
	}
	binary.NativeEndian.PutUint32(r.mem[repairsCount:], uint32(n+1))
	return nil
}

// Len is how many sockets are on the list.
func (r *Repairs) Len() int { return int(binary.NativeEndian.Uint32(r.mem[repairsCount:])) }

// End empties the list: the mode has ended for all of it.
func (r *Repairs) End() { binary.NativeEndian.PutUint32(r.mem[repairsCount:], 0) }

// Killed says that the tree is about to be ended, and its sockets are to be closed as they are.
func (r *Repairs) Killed(yes bool) {
	r.mem[repairsKilled] = 0
	if yes {
		r.mem[repairsKilled] = 1
	}
}

// Close forgets the list.
func (r *Repairs) Close() { _ = unix.Munmap(r.mem) }
