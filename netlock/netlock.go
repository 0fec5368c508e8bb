// Package netlock holds the packets of TCP connections while their owner is
// frozen, and, after a dump that killed it, until criu's restore lets them go: a
// peer whose packets are answered by nobody sends them again, one that gets a RST
// has lost its connection.
//
// What is costly is done before the freeze: Prepare loads and attaches what drops
// packets, with the connections known so far and switched off. Lock enters those
// that came since and switches it on, Unlock off. All of that is this process's
// alone and goes with it. Keep leaves what criu's restore removes.
package netlock

import (
	"errors"
	"fmt"
	"os"
)

// Method is how packets are held, and by what name criu's restore knows it.
type Method int

// The methods. The zero value is BPF where the kernel has it, else Nftables.
const (
	Default  Method = iota
	BPF             // programs at netfilter's hooks (Linux 6.4) or the topmost cgroup
	Nftables        // a table owned by this process (Linux 5.12)
	Iptables        // held as by default; Keep leaves iptables rules
	Skip            // packets are not held
)

// NETWORK_LOCK_METHOD of criu's cr_options.h, in inventory_entry.network_lock_method.
const (
	imageIptables = 0
	imageNftables = 1
	imageSkip     = 2
)

var methodNames = []string{"", "bpf", "nftables", "iptables", "skip"}

func (m Method) String() string { return methodNames[m] }

// ParseMethod reads --network-lock's argument.
func ParseMethod(s string) (Method, error) {
	if s == "none" { // criu's other word
		s = Skip.String()
	}
	for i, name := range methodNames {
		if s == name {
			return Method(i), nil
		}
	}
	return 0, fmt.Errorf("--network-lock %s: give bpf, nftables, iptables or skip", s)
}

// Options say what to prepare.
type Options struct {
	Method Method
	RunID  string // names what Keep leaves: inventory_entry.dump_criu_run_id
	Conns  []Conn // known before the freeze
	Kept   bool   // Keep will be called: what it needs is made sure of
}

// holder drops the packets of its connections while it is on.
type holder interface {
	add(conns []Conn) error
	turn(on bool) error
	off() (Off, error)
	close()
	String() string
}

// Lock is prepared before the freeze, off. It is used by one goroutine at a time.
type Lock struct {
	opts   Options
	holder holder // nil: Skip
	known  map[Conn]struct{}
	fresh  []Conn
	all    []Conn // what Lock was called with, some of them several times
	keeper keeper
	on     bool
}

// Available makes a lock as a dump that kills does by default, and tells what it is made of.
func Available() (string, error) {
	l, err := Prepare(Options{RunID: fmt.Sprintf("fastcr-%d", os.Getpid()), Kept: true})
	if err != nil {
		return "", err
	}
	defer l.Close()
	return fmt.Sprintf("%v, and with %v until the restore", l.holder, l.keeper), nil
}

// room is for how many connections a lock that knows n has memory.
func room(n int) int { return n + n/4 + 256 }

// Prepare makes a lock for the connections of its network namespace, which is the
// calling thread's. It needs CAP_NET_ADMIN, and CAP_BPF for BPF.
func Prepare(o Options) (*Lock, error) {
	l := &Lock{opts: o, known: make(map[Conn]struct{}, len(o.Conns)), fresh: make([]Conn, 0, room(len(o.Conns))), all: make([]Conn, 0, room(len(o.Conns)))}
	if o.Method == Skip {
		return l, nil
	}
	var err error
	if l.holder, err = newHolder(o.Method, room(len(o.Conns))); err != nil {
		return nil, fmt.Errorf("prepare the lock of TCP connections (--network-lock): %w", err)
	}
	if o.Kept {
		if l.keeper, err = newKeeper(o.Method, o.RunID); err != nil {
			l.Close()
			return nil, fmt.Errorf("prepare the lock of TCP connections (--network-lock): %w", err)
		}
	}
	for _, c := range o.Conns {
		l.known[c] = struct{}{}
	}
	err = l.holder.add(o.Conns)
	if err == nil {
		err = l.holder.turn(false) // it is; the freeze will find the code in memory
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("lock %d TCP connections: %w", len(o.Conns), err)
	}
	return l, nil
}

// newHolder makes what drops packets in the freeze.
func newHolder(m Method, room int) (holder, error) {
	if m == Nftables {
		return newTable()
	}
	h, err := newPrograms(room)
	if err == nil || m == BPF {
		return h, err
	}
	t, e := newTable()
	if e != nil {
		return nil, fmt.Errorf("%w; nor is there nftables: %w", err, e)
	}
	return t, nil
}

// Lock holds the packets of these connections and of those that Prepare knew from now on. It
// is made for the freeze: what Prepare knew costs no call. It may be called again with others. More
// than there is room for is an error that wraps unix.E2BIG.
func (l *Lock) Lock(conns []Conn) error {
	l.all = append(l.all, conns...)
	if l.holder == nil {
		return nil
	}
	l.fresh = l.fresh[:0]
	for _, c := range conns {
		if _, ok := l.known[c]; !ok {
			l.known[c] = struct{}{}
			l.fresh = append(l.fresh, c)
		}
	}
	if err := l.holder.add(l.fresh); err != nil {
		return fmt.Errorf("lock %d TCP connections: %w", len(l.fresh), err)
	}
	if l.on {
		return nil
	}
	if err := l.holder.turn(true); err != nil {
		return fmt.Errorf("lock TCP connections: %w", err)
	}
	l.on = true
	return nil
}

// Unlock lets the packets pass again.
func (l *Lock) Unlock() error {
	if !l.on {
		return nil
	}
	if err := l.holder.turn(false); err != nil {
		return fmt.Errorf("unlock TCP connections: %w", err)
	}
	l.on = false
	return nil
}

// Keep has the packets of what Lock was called with held on when this process has
// ended, until criu's restore of an image with ImageMethod and the run id. Call it with the
// lock on. Drop takes it back.
func (l *Lock) Keep() error {
	if l.keeper == nil || len(l.all) == 0 {
		return nil
	}
	conns := make([]Conn, 0, len(l.all))
	seen := make(map[Conn]bool, len(l.all))
	for _, c := range l.all {
		if !seen[c] {
			seen[c], conns = true, append(conns, c)
		}
	}
	if err := l.keeper.keep(conns); err != nil {
		return fmt.Errorf("leave the lock of TCP connections for the restore: %w", errors.Join(err, l.keeper.drop()))
	}
	return nil
}

// Drop removes what Keep left, when the owner of the connections lives on.
func (l *Lock) Drop() error {
	if l.keeper == nil {
		return nil
	}
	return l.keeper.drop()
}

// AfterKill tells whether Keep is to be called after the owner of the connections
// was killed, because nobody could take back what it leaves if this process ended in between.
func (l *Lock) AfterKill() bool { return l.keeper != nil && l.keeper.lastWords() == nil }

// LastWords is a message to the kernel's netfilter netlink socket that removes what Keep leaves.
// It is for a process that survives this one. Nil with AfterKill.
func (l *Lock) LastWords() []byte {
	if l.keeper == nil {
		return nil
	}
	return l.keeper.lastWords()
}

// Off is what Unlock does, for a process that looks after this one: 0 is written at key 0 of a
// BPF map, or a message to a netfilter netlink socket of this process.
type Off struct {
	Map     uint32 // its number; 0: none
	Socket  int    // a descriptor
	Message []byte // nil: none
}

// Off tells how the lock is lifted from outside.
func (l *Lock) Off() (Off, error) {
	if l.holder == nil {
		return Off{}, nil
	}
	return l.holder.off()
}

// ImageMethod is inventory_entry.network_lock_method: who removes what Keep leaves. Nil is
// a lock that was not needed.
func (l *Lock) ImageMethod() uint32 {
	if l == nil || l.keeper == nil || len(l.all) == 0 {
		return imageSkip
	}
	return l.keeper.method()
}

// Close lifts the lock, but not what Keep left.
func (l *Lock) Close() {
	if l.holder != nil {
		l.holder.close()
		l.holder, l.on = nil, false
	}
}
