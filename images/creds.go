package images

import (
	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/images/pb"
)

func credentials(c *fastcr.Creds) *pb.CredsEntry {
	out := &pb.CredsEntry{
		Uid: &c.UID, Gid: &c.GID, Euid: &c.EUID, Egid: &c.EGID, Suid: &c.SUID, Sgid: &c.SGID, Fsuid: &c.FSUID, Fsgid: &c.FSGID,
		CapInh: halves(c.CapInh), CapPrm: halves(c.CapPrm), CapEff: halves(c.CapEff), CapBnd: halves(c.CapBnd), CapAmb: halves(c.CapAmb),
		Secbits: &c.Securebits, Groups: c.Groups,
	}
	if c.NoNewPrivs {
		out.NoNewPrivs = u32(1)
	}
	return out
}

// halves are a capability set's two words, the lower first.
func halves(set uint64) []uint32 { return []uint32{uint32(set), uint32(set >> 32)} }

const (
	usecPerSec = 1e6
	nsecPerSec = 1e9
	sigevTID   = 4 // SIGEV_THREAD_ID
)

func timers(p *fastcr.Process) *pb.TaskTimersEntry {
	itimer := func(t fastcr.ITimer) *pb.ItimerEntry {
		return &pb.ItimerEntry{
			Isec: u64(t.Interval / usecPerSec), Iusec: u64(t.Interval % usecPerSec),
			Vsec: u64(t.Value / usecPerSec), Vusec: u64(t.Value % usecPerSec),
		}
	}
	out := &pb.TaskTimersEntry{Real: itimer(p.ITimers[0]), Virt: itimer(p.ITimers[1]), Prof: itimer(p.ITimers[2])}
	for i := range p.POSIXTimers {
		t := &p.POSIXTimers[i]
		e := &pb.PosixTimerEntry{
			ItId: u32(t.ID), ClockId: u32(t.ClockID), SiSigno: u32(t.Signo), ItSigevNotify: u32(t.Notify),
			SivalPtr: u64(t.Sigval), Overrun: u32(t.Overrun),
			Isec: u64(t.Interval / nsecPerSec), Insec: u64(t.Interval % nsecPerSec),
			Vsec: u64(t.Value / nsecPerSec), Vnsec: u64(t.Value % nsecPerSec),
		}
		if t.Notify&sigevTID != 0 {
			tid := int32(t.NotifyTID)
			e.NotifyThreadId = &tid
		}
		out.Posix = append(out.Posix, e)
	}
	return out
}
