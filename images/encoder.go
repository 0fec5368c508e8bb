package images

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/memory"
)

// Pages are the pages of one process, for its pagemap and pages images.
type Pages interface {
	// Runs are in ascending order of addresses.
	Runs(pid int) []memory.Run
	// WriteTo writes the bytes of all runs, in their order.
	WriteTo(pid int, f *os.File) error
	// Guards are the areas that MADV_GUARD_INSTALL guards.
	Guards(pid int) []memory.Range
}

// EncodeOptions say what belongs into the images besides the tree.
type EncodeOptions struct {
	Pages   Pages
	Shared  []Shared // shared memory objects
	BuildID bool     // --file-validation buildid
	// Ghosts are the contents of deleted files by device and inode.
	Ghosts map[[2]uint64]*fastcr.GhostContent
	// Links are the temporary names of deleted files that have others, by device and inode.
	Links map[[2]uint64]string
	// Pipes are the contents of pipes and FIFOs by inode number.
	Pipes map[uint64]*fastcr.PipeContent
	// Queues are the receive queues of unix sockets by inode number.
	Queues map[uint64]*fastcr.SocketQueue
	// Sockets are options that sockets were asked for, by inode number.
	Sockets map[uint64]*fastcr.AskedOptions
	// TCP are the queues of TCP connections, by the socket's object.
	TCP map[fastcr.KObj]fastcr.TCPQueues
	// OwnCgroups are fastcr's: processes elsewhere are moved there by the restore.
	OwnCgroups []fastcr.Cgroup
	// CgroupDirs are the cgroups to be made, by hierarchy.
	CgroupDirs map[string][]fastcr.CgroupDir
	ShellJob   bool
	// RunID names this dump (see NewRunID), NetworkLock who lifts the lock of its connections.
	RunID       string
	NetworkLock uint32
	// Monotonic and Boottime are what the tree's clocks are ahead of fastcr's.
	Monotonic, Boottime time.Duration
}

// Shared is one shared memory object, anonymous or a memfd, and its pages.
type Shared struct {
	ID   fastcr.ShmID
	Runs []memory.Run // addresses are offsets into the object
	Data func(f *os.File) error
}

// Encoder turns a tree into images. It is used once.
type Encoder struct {
	tree *fastcr.Tree
	opts EncodeOptions

	vm, fdTables, fs, sighand *objectIDs
	files                     *fileTable
	seccomp                   *seccompTable
	cgroups                   *cgroupTable
	pages                     uint32 // the last pages image's number
}

// NewEncoder prepares to encode tree.
func NewEncoder(tree *fastcr.Tree, opts EncodeOptions) *Encoder {
	e := newEncoder(tree, opts)
	e.files.leased = leasedFiles(tree)
	return e
}

func newEncoder(tree *fastcr.Tree, opts EncodeOptions) *Encoder {
	return &Encoder{
		tree: tree, opts: opts,
		vm: newObjectIDs(), fdTables: newObjectIDs(), fs: newObjectIDs(), sighand: newObjectIDs(),
		seccomp: newSeccompTable(), cgroups: newCgroupTable(opts.OwnCgroups),
		files: newFileTable(tree, opts),
	}
}

// WriteAll writes every image but stats-dump.
func (e *Encoder) WriteAll(d *Dir) error {
	for _, p := range e.tree.Processes {
		if err := e.writeProcess(d, p); err != nil {
			return fmt.Errorf("process %d: %w", p.PID, err)
		}
	}
	for _, write := range []func(*Dir) error{
		e.writePstree, e.writeTTYInfo, e.writeTTYData, e.writePipesData, e.writeQueues, e.writeTCPStreams, e.writeGhosts, e.writeLocks, e.writeMemfds,
		e.writeFiles, e.writeSeccomp, e.writeTimens, e.writeCgroups, e.writeInventory,
	} {
		if err := write(d); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) writeProcess(d *Dir, p *fastcr.Process) error {
	if p.State == fastcr.TaskDead {
		return e.writeZombie(d, p)
	}
	for _, write := range []func(*Dir, *fastcr.Process) error{e.writeIDs, e.writeMM, e.writeFdinfo, e.writeFS, e.writePages, e.writeCores} {
		if err := write(d, p); err != nil {
			return err
		}
	}
	return nil
}

// NewRunID is random: the inventory names the run that made it, and criu's restore finds by
// it what that run left (inventory_entry.dump_criu_run_id). It is no UUID, as criu's is: that cuts
// off the name of its nftables table, which ends in it, and would look for another.
func NewRunID() string {
	var b [10]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
