package loader

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// PacketKey is struct lock_key of bpf/netlock.h: a TCP connection seen from the
// socket that is locked. IPv4 addresses are mapped (::ffff:a.b.c.d), ports are in
// network byte order.
type PacketKey struct {
	Local, Remote         [16]byte
	LocalPort, RemotePort [2]byte
}

// PacketLock drops the packets, in and out, of the connections that were put into
// it while it is on: BPF programs at netfilter's local hooks (Linux 6.4) of the
// network namespace it was made in, or at the topmost cgroup. Programs and
// connections are this process's alone and go with it.
type PacketLock struct {
	conns, on *ebpf.Map
	links     []link.Link
	ones      []uint32 // values for a batch
}

// netfilterPriority is the first that is tried: before conntrack and whatever else
// looks at packets. Each link of a hook needs one of its own.
const (
	netfilterPriority = -1000
	priorities        = 500
)

// NewPacketLock loads and attaches the programs, off and with room for so many
// connections. On a kernel without netfilter links the error wraps errors.ErrUnsupported.
func NewPacketLock(room int) (*PacketLock, error) {
	l, err := newPacketLock(room)
	if errors.Is(err, ebpf.ErrNotSupported) {
		return nil, fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return l, err
}

func newPacketLock(room int) (*PacketLock, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(_NetlockBytes))
	if err != nil {
		return nil, fmt.Errorf("read program netlock: %w", err)
	}
	if err := fitToKernel(spec); err != nil {
		return nil, fmt.Errorf("program netlock: %w", err)
	}
	l, progs, err := loadPacketLock(spec, room)
	if err != nil {
		return nil, err
	}
	defer closeAll(progs)
	for _, family := range []link.NetfilterProtocolFamily{link.NetfilterProtoIPv4, link.NetfilterProtoIPv6} {
		for name, hook := range map[string]link.NetfilterInetHook{
			netlockProgNetlockIn: link.NetfilterInetLocalIn, netlockProgNetlockOut: link.NetfilterInetLocalOut,
		} {
			at, err := attachNetfilter(link.NetfilterOptions{Program: progs[name], ProtocolFamily: family, Hook: hook})
			if err != nil {
				l.Close()
				return nil, fmt.Errorf("attach %s: %w", name, err)
			}
			l.links = append(l.links, at)
		}
	}
	return l, nil
}

// NewCgroupPacketLock is the same at the v2 hierarchy's topmost cgroup dir, where
// packets of other network namespaces with the same addresses are dropped too.
func NewCgroupPacketLock(room int, dir string) (*PacketLock, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(_NetlockCgroupBytes))
	if err != nil {
		return nil, fmt.Errorf("read program netlock_cgroup: %w", err)
	}
	l, progs, err := loadPacketLock(spec, room)
	if err != nil {
		return nil, err
	}
	defer closeAll(progs)
	for name, attach := range map[string]ebpf.AttachType{
		netlockProgNetlockIn: ebpf.AttachCGroupInetIngress, netlockProgNetlockOut: ebpf.AttachCGroupInetEgress,
	} {
		at, err := link.AttachCgroup(link.CgroupOptions{Path: dir, Attach: attach, Program: progs[name]})
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("attach %s to %s: %w", name, dir, err)
		}
		l.links = append(l.links, at)
	}
	return l, nil
}

func loadPacketLock(spec *ebpf.CollectionSpec, room int) (*PacketLock, map[string]*ebpf.Program, error) {
	spec.Maps[netlockMapNetlockConns].MaxEntries = uint32(max(room, 1))
	for _, p := range spec.Programs {
		dropLines(p.Instructions)
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, nil, fmt.Errorf("load program netlock: %w", err)
	}
	defer coll.Close()
	l := &PacketLock{
		conns: coll.DetachMap(netlockMapNetlockConns), on: coll.DetachMap(netlockMapNetlockOn),
		ones: make([]uint32, max(room, 1)),
	}
	progs := coll.Programs
	coll.Programs = nil
	return l, progs, nil
}

func closeAll(progs map[string]*ebpf.Program) {
	for _, p := range progs {
		p.Close()
	}
}

// attachNetfilter finds a priority that nobody has.
func attachNetfilter(opts link.NetfilterOptions) (link.Link, error) {
	for i := range int32(priorities) {
		opts.Priority = netfilterPriority + (int32(os.Getpid())+i)%priorities
		at, err := link.AttachNetfilter(opts)
		if !errors.Is(err, unix.EBUSY) {
			return at, err
		}
	}
	return nil, fmt.Errorf("all priorities of a netfilter hook are taken: %w", unix.EBUSY)
}

// Add puts connections into the lock: one call, whatever their number. More than
// it has room for is an error that wraps unix.E2BIG.
func (l *PacketLock) Add(keys []PacketKey) error {
	switch {
	case len(keys) == 0:
		return nil
	case len(keys) == 1: // cheaper than a batch of one
		return mapPut(l.conns.FD(), keys[0], &l.ones[0])
	case len(keys) > len(l.ones):
		return fmt.Errorf("lock %d connections with room for %d: %w", len(keys), len(l.ones), unix.E2BIG)
	}
	if _, err := l.conns.BatchUpdate(keys, l.ones[:len(keys)], nil); err != nil {
		return fmt.Errorf("lock %d connections: %w", len(keys), err)
	}
	return nil
}

// Switch turns the lock on or off, for all its connections at once.
func (l *PacketLock) Switch(on bool) error {
	value := uint32(0)
	if on {
		value = 1
	}
	return mapPut(l.on.FD(), uint32(0), &value)
}

// SwitchMap is the number of the map whose value 0 at key 0 turns the lock off.
func (l *PacketLock) SwitchMap() (uint32, error) {
	info, err := l.on.Info()
	if err != nil {
		return 0, fmt.Errorf("number of a lock's switch: %w", err)
	}
	id, _ := info.ID()
	return uint32(id), nil
}

// Close lifts the lock for good.
func (l *PacketLock) Close() {
	_ = l.Switch(false) // the kernel detaches a closed link in its own time
	for _, at := range l.links {
		_ = at.Close()
	}
	_ = l.conns.Close()
	_ = l.on.Close()
}
