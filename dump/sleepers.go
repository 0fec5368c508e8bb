package dump

import (
	"os"
	"strings"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/freeze"
	"github.com/fastcr/fastcr/loader"
	"github.com/fastcr/fastcr/seccomp"
)

// sysRestartSyscall is the call by which the kernel goes on with a sleep, a poll
// or a futex wait that a signal or a freeze interrupted.
const sysRestartSyscall = 219

// sleepers are threads that the thaw would hurt: they sleep, and their seccomp
// filter kills them, or fails their sleep, when the kernel makes them call
// restart_syscall. They get another result of their call while they are frozen:
// the only use of ptrace in a dump that was not asked for it.
type sleepers struct {
	chains map[fastcr.KObj][][]byte // programs of filters, by the newest
	strict bool                     // at the look one did not let restart_syscall pass
	saved  bool
	freed  int
}

// learn takes the filters of a tree.
func (s *sleepers) learn(t *fastcr.Tree) {
	if s.chains == nil {
		s.chains = map[fastcr.KObj][][]byte{}
	}
	for _, p := range t.Processes {
		for _, th := range p.Threads {
			if len(th.Seccomp.Filters) == 0 || s.chains[th.Seccomp.Filters[0].ID] != nil {
				continue
			}
			var chain [][]byte
			for _, f := range th.Seccomp.Filters {
				chain = append(chain, f.Prog)
			}
			s.chains[th.Seccomp.Filters[0].ID] = chain
			s.strict = s.strict || !passes(chain, sysRestartSyscall, &th.Regs)
		}
	}
}

// passes says whether filters let a call with a thread's registers pass. Of what is
// not understood nothing passes.
func passes(chain [][]byte, nr uint32, r *fastcr.Regs) bool {
	return seccomp.Passes(verdict(chain, nr, r))
}

func verdict(chain [][]byte, nr uint32, r *fastcr.Regs) uint32 {
	action, err := seccomp.Verdict(chain, &seccomp.Data{
		NR: nr, Arch: seccomp.ArchX8664, IP: r.IP, Args: [6]uint64{r.DI, r.SI, r.DX, r.R10, r.R8, r.R9},
	})
	if err != nil {
		return seccomp.RetKillProcess
	}
	return action
}

// saveSleepers is called in the freeze, after the iterators were read.
func (r *run) saveSleepers() error {
	s := &r.sleepers
	if s.saved {
		return nil
	}
	s.saved = true
	var sleeps []freeze.Sleep
	err := r.session.EachSleeper(func(t loader.Sleeper) error {
		chain, known := s.chains[t.Filter]
		if !known { // installed since the look
			tree, err := r.session.Decode()
			if err != nil {
				return err
			}
			s.learn(tree)
			chain = s.chains[t.Filter]
		}
		if passes(chain, sysRestartSyscall, &t.Regs) {
			return nil
		}
		if !passes(chain, uint32(t.Regs.OrigAX), &t.Regs) {
			t.AX = -4 // EINTR: the filter is younger than the call
		}
		sleeps = append(sleeps, freeze.Sleep{TID: t.TID, Result: t.AX})
		return nil
	})
	if err != nil || len(sleeps) == 0 {
		return err
	}
	if s.freed, err = freeze.MendSleeps(sleeps); err != nil {
		return err
	}
	return r.hold.WaitFrozen()
}

// beforeThaw saves them when the freeze or what comes after it did not succeed.
func (r *run) beforeThaw() {
	if r.sleepers.saved || !r.sleepers.strict {
		return
	}
	if r.session.Rearm() == nil && r.session.Collect() == nil {
		_ = r.saveSleepers() // nothing more can be done for them
	}
}

// checkSleepers refuses, at the look, those that could not be saved.
func (r *refusal) checkSleepers(p *fastcr.Process) {
	for _, t := range p.Threads {
		var chain [][]byte
		for _, f := range t.Seccomp.Filters {
			chain = append(chain, f.Prog)
		}
		// A tracer may be the one that the filter asks.
		action := verdict(chain, sysRestartSyscall, &t.Regs)
		if seccomp.Passes(action) || action == seccomp.RetTrace || action == seccomp.RetUserNotif {
			continue
		}
		const why = "has a seccomp filter that forbids restart_syscall, by which the kernel goes on with a sleep after a freeze"
		switch {
		case t.Traced:
			r.add(t.TID, -1, t.Comm, why+", and is traced", "detach the tracer")
		case ptraceForbidden():
			r.add(t.TID, -1, t.Comm, why+", and this machine allows no ptrace", "set kernel.yama.ptrace_scope below 3")
		}
	}
}

// ptraceForbidden reads the Yama module's setting.
func ptraceForbidden() bool {
	b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	return err == nil && strings.TrimSpace(string(b)) == "3"
}
