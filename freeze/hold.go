package freeze

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultTimeout is what Options.Timeout is if it is not given.
const DefaultTimeout = 10 * time.Second

// Options say which tree to hold.
type Options struct {
	Root    int           // pid of the tree's root, in fastcr's pid namespace
	Timeout time.Duration // for catching a forking tree, for each Freeze, and for Kill
}

// Hold is a process tree whose tasks sit in cgroups that hold nothing else.
// Release it, whatever happens. It is used by one goroutine at a time.
type Hold struct {
	opts     Options
	ctx      context.Context // Prepare's; its end ends the waiting for a freeze too
	rootFD   int             // pidfd of the tree's root
	mounts   mounts
	groups   []*group
	locks    map[string]int // directory of a cgroup → fd that has it locked
	origins  map[int]string // pid → original cgroup
	pids     []int
	guardian *guardian

	// BeforeThaw, if there is one, is called by Thaw with the tree frozen, or, after a
	// Freeze that failed, as far frozen as it got.
	BeforeThaw func()

	threadedRoot *bool // whether the hierarchy has threaded cgroups below its root; nil: not asked yet

	// Memory of the frozen window.
	scratch  []byte
	procs    []byte
	members  []int
	attended bool // members were listed since the freeze
	polls    []unix.PollFd
}

// Prepare finds the tree below opts.Root and puts it, running, into cgroups of
// its own. On an error everything is as it was. Errors are a *TargetError, a
// *NoCgroup2Error, or those of ctx and of the files of the tree and its cgroups.
func Prepare(ctx context.Context, opts Options) (*Hold, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	ms, err := findMounts()
	if err != nil {
		return nil, err
	}
	h := &Hold{opts: opts, ctx: ctx, mounts: ms, locks: map[string]int{}, origins: map[int]string{}, scratch: make([]byte, 256), procs: make([]byte, 64<<10), polls: make([]unix.PollFd, 0, 2)}
	if h.rootFD, err = openTarget(opts.Root); err != nil {
		return nil, err
	}
	if h.guardian, err = startGuardian(ms); err == nil {
		err = h.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, h.Release())
	}
	return h, nil
}

func (h *Hold) prepare(ctx context.Context) error {
	if err := h.gather(ctx); err != nil {
		return err
	}
	if exited(h.rootFD) {
		return &TargetError{PID: h.opts.Root, Reason: ErrExited}
	}
	// Room for what may be forked before the freeze.
	h.members = make([]int, 0, max(4096, 2*len(h.pids)))
	return nil
}

// Pids are the processes of the tree as Prepare found them, zombies included,
// the root first and parents before children.
func (h *Hold) Pids() []int { return h.pids }

// OriginalCgroup is the v2 cgroup that pid was in before it was moved, as
// /proc/PID/cgroup names it. A process forked since has its parent's.
func (h *Hold) OriginalCgroup(pid int) string {
	if name, ok := h.origins[pid]; ok {
		return name
	}
	name, err := cgroupOf(pid)
	if err != nil {
		return h.origins[h.opts.Root]
	}
	if g := h.groupAt(name); g != nil && g.temporary {
		return g.name
	}
	return name
}

// exited asks a pidfd whether its process has ended, be it a zombie.
func exited(pidfd int) bool {
	fds := [1]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds[:], 0)
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}
