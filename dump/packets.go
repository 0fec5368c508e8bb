package dump

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/freeze"
	"github.com/fastcr/fastcr/netlock"
)

// packets is the lock of the tree's TCP connections: peers see a pause, never a RST.
type packets struct {
	lock  *netlock.Lock // nil: there is nothing to lock
	conns []netlock.Conn
	brief bool // it is on only while bytes that are not acknowledged are read: the tree goes on
	kept  bool // the lock stands for the restore, until the tree is known to live
}

// kills tells whether the tree ends with the dump.
func (o *Options) kills() bool { return !o.LeaveRunning && !o.LeaveStopped }

// preparePackets makes the lock where the look found TCP sockets that have or may get connections.
func (r *run) preparePackets() error {
	if !r.opts.TCPEstablished {
		return nil
	}
	if !slices.ContainsFunc(r.look.Files, isTCP) {
		return nil
	}
	p := &r.packets
	p.brief = !r.opts.kills()
	p.conns = r.look.Connections()
	var err error
	p.lock, err = netlock.Prepare(netlock.Options{Method: r.opts.networkLock, RunID: r.runID, Conns: p.conns, Kept: r.opts.kills()})
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: TCP connections need CAP_NET_ADMIN", err)
	}
	if err != nil {
		return err
	}
	r.closeLater(p.close)
	r.log.info("netlock", "%d TCP connections, --network-lock %s", len(p.conns), r.opts.networkLock)
	p.conns = slices.Grow(p.conns[:0], 2*len(p.conns)+64)
	off, err := p.lock.Off()
	if err != nil {
		return err
	}
	return r.hold.GuardPackets(freeze.PacketGuard{LastWords: p.lock.LastWords(), SwitchMap: off.Map, Socket: off.Socket, Off: off.Message})
}

func isTCP(f *fastcr.File) bool {
	s, ok := f.Detail.(*fastcr.InetSocket)
	return ok && s.TCP()
}

// lockKnown is called in the freeze, with the connections of the look before the sockets' state
// is read, so that it does not change any more.
func (p *packets) lockKnown() error {
	if p.lock == nil || p.brief {
		return nil
	}
	return p.lock.Lock(nil)
}

// lockPackets locks, in the freeze, the connections that the collect met.
func (r *run) lockPackets() error {
	if !r.opts.TCPEstablished {
		return nil
	}
	p := &r.packets
	var err error
	p.conns, err = r.session.AppendConnections(p.conns[:0])
	if err != nil || len(p.conns) == 0 {
		return err
	}
	if p.lock != nil && p.brief {
		return nil
	}
	if p.lock == nil {
		return fmt.Errorf("the tree has %d TCP connections, it had no TCP socket: it %w", len(p.conns), errChanged)
	}
	if err := p.lock.Lock(p.conns); errors.Is(err, unix.E2BIG) {
		return fmt.Errorf("%w: the tree %w", err, errChanged)
	} else if err != nil {
		return err
	}
	return nil
}

// lockBriefly locks the connections of a tree that goes on, because the bytes that one of them
// has to be acknowledged are to be read. What a peer sends meanwhile it has to send again, after
// 200 ms as a rule: a connection with nothing to be acknowledged is read without a lock. What
// comes in meanwhile only lengthens its queue, of which as much is read as was there.
func (p *packets) lockBriefly() error {
	if !p.brief {
		return nil
	}
	return p.lock.Lock(p.conns)
}

// unlock lets packets pass, of a tree that goes on.
func (p *packets) unlock() error {
	if p.lock == nil {
		return nil
	}
	return p.lock.Unlock()
}

// keep has the lock stand until the restore. It is called before the kill, and after it for
// rules that nobody could remove if fastcr ended in between.
func (p *packets) keep(killed bool) error {
	if p.lock == nil || p.lock.AfterKill() != killed {
		return nil
	}
	if err := p.lock.Keep(); err != nil {
		return err
	}
	p.kept = true
	return nil
}

// imageMethod is what the inventory says of the lock.
func (p *packets) imageMethod() uint32 { return p.lock.ImageMethod() }

// settle makes what was kept final: the tree is dead.
func (p *packets) settle() { p.kept = false }

func (p *packets) close() {
	if p.kept {
		_ = p.lock.Drop() // there is an error already
	}
	p.lock.Close()
}
