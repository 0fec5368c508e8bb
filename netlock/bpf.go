package netlock

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/moby/sys/mountinfo"

	"github.com/fastcr/fastcr/loader"
)

// programs is a holder of BPF.
type programs struct {
	lock *loader.PacketLock
	keys []loader.PacketKey
	at   string
}

// newPrograms attaches to netfilter's hooks, or on kernels without such links to
// the topmost cgroup.
func newPrograms(room int) (holder, error) {
	at := "netfilter's hooks"
	lock, err := loader.NewPacketLock(room)
	if errors.Is(err, errors.ErrUnsupported) {
		var dir string
		if dir, err = cgroup2(); err != nil {
			return nil, err
		}
		at = "cgroup " + dir
		lock, err = loader.NewCgroupPacketLock(room, dir)
	}
	if err != nil {
		return nil, err
	}
	return &programs{lock: lock, keys: make([]loader.PacketKey, 0, room), at: at}, nil
}

func (p *programs) add(conns []Conn) error {
	p.keys = p.keys[:0]
	for _, c := range conns {
		p.keys = append(p.keys, key(c))
	}
	return p.lock.Add(p.keys)
}

func (p *programs) turn(on bool) error { return p.lock.Switch(on) }
func (p *programs) close()             { p.lock.Close() }
func (p *programs) String() string     { return "BPF programs at " + p.at }

func (p *programs) off() (o Off, err error) {
	o.Map, err = p.lock.SwitchMap()
	return o, err
}

// cgroup2 is where the v2 hierarchy is mounted, as high as it can be seen.
func cgroup2() (string, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup2"))
	if err != nil {
		return "", fmt.Errorf("read mountinfo: %w", err)
	}
	if len(mounts) == 0 {
		return "", fmt.Errorf("no cgroup v2 hierarchy is mounted: %w", errors.ErrUnsupported)
	}
	return slices.MinFunc(mounts, func(a, b *mountinfo.Info) int { return cmp.Compare(len(a.Root), len(b.Root)) }).Mountpoint, nil
}
