package dump

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
	"github.com/fastcr/fastcr/objects"
)

// aioContexts are the AIO contexts of the tree (io_setup(2)).
type aioContexts struct {
	users  []int // processes that have some, ascending
	rings  map[aioKey]*fastcr.AIORing
	waited time.Duration // in the freeze, for requests to end
}

type aioKey struct {
	pid int
	id  uint64
}

// At the look a request is given so long to end, in steps, before it counts as one that stays. In the
// freeze all are given aioFrozen, as long as a slow disk takes.
const (
	aioPatience = 250 * time.Millisecond
	aioStep     = time.Millisecond
	aioFrozen   = 20 * time.Millisecond
)

// lookAtAIO finds the tree's contexts, and refuses one whose requests do not end: the freeze would wait
// for them in vain.
func (r *run) lookAtAIO() error {
	a := &r.aio
	if err := r.session.EachAIOUser(func(pid int) { a.users = append(a.users, pid) }); err != nil {
		return err
	}
	if len(a.users) == 0 {
		return nil
	}
	slices.Sort(a.users)
	a.rings = map[aioKey]*fastcr.AIORing{}
	if err := r.session.PickAIO(a.users); err != nil {
		return err
	}
	tails := map[aioKey]uint32{}
	for began := time.Now(); ; {
		if err := r.session.ReadAIO(); err != nil {
			return err
		}
		var stays error
		err := r.session.EachAIO(func(pid int, c fastcr.AIOContext) error {
			tail, seen := tails[aioKey{pid, c.ID}]
			tails[aioKey{pid, c.ID}] = c.Tail
			if c.InFlight > int64(c.Waiting) && (!seen || tail == c.Tail) {
				stays = aioRefusal(pid, &c, fmt.Sprintf("has %d requests in flight, none of which ended within %v", c.InFlight, aioPatience))
			}
			return nil
		})
		if err != nil {
			return err
		}
		if stays == nil {
			return r.readRings()
		}
		if time.Since(began) > aioPatience {
			return stays
		}
		time.Sleep(aioStep)
		if err := r.session.RearmAIO(); err != nil {
			return err
		}
	}
}

func aioRefusal(pid int, c *fastcr.AIOContext, reason string) *fastcr.RefusedError {
	return &fastcr.RefusedError{PID: pid, FD: -1, Object: c.String(), Reason: reason,
		Advice: "let the program cancel them, or wait until they have ended, then dump again"}
}

// drainAIO waits, in the freeze, until what the frozen tree has asked for has been done: it is written to
// its memory, and told to its eventfds. Requests that wait for an event are not waited for.
func (r *run) drainAIO() error {
	if len(r.aio.users) == 0 {
		return nil
	}
	for began := time.Now(); ; {
		if err := r.session.ReadAIO(); err != nil {
			return err
		}
		busy, whose := fastcr.AIOContext{}, 0
		if err := r.session.EachAIO(func(pid int, c fastcr.AIOContext) error {
			if c.InFlight > int64(c.Waiting) {
				busy, whose = c, pid
			}
			return nil
		}); err != nil {
			return err
		}
		if whose == 0 {
			return r.readRings()
		}
		if r.aio.waited = time.Since(began); r.aio.waited > aioFrozen {
			return passingError{aioRefusal(whose, &busy, fmt.Sprintf("has %d requests in flight, which did not end while it was frozen", busy.InFlight))}
		}
		time.Sleep(exitStep)
		if err := r.session.RearmAIO(); err != nil {
			return err
		}
	}
}

// readRings reads what of its contexts the program sees itself, and may write to. One that is not
// mapped any more is of no use to it.
func (r *run) readRings() error {
	clear(r.aio.rings)
	return r.session.EachAIO(func(pid int, c fastcr.AIOContext) error {
		ring, err := objects.ReadAIORing(pid, c.ID)
		if errors.Is(err, unix.EFAULT) || isGone(err) {
			return nil
		}
		r.aio.rings[aioKey{pid, c.ID}] = ring
		return err
	})
}

// fillRings puts into the decoded tree what readRings has read. As long as the tree runs a ring moves
// between the two.
func (r *run) fillRings(t *fastcr.Tree, running bool) {
	for _, p := range t.Processes {
		if p.MM == nil {
			continue
		}
		for i := range p.MM.AIO {
			c := &p.MM.AIO[i]
			if c.Ring = r.aio.rings[aioKey{p.PID, c.ID}]; c.Ring != nil && running {
				c.Tail = c.Ring.Tail
			}
		}
	}
}

// checkAIOUsers wants nobody to have an AIO context who had none at the look.
func (r *run) checkAIOUsers() error {
	changed := 0
	err := r.session.EachAIOUser(func(pid int) {
		if _, known := slices.BinarySearch(r.aio.users, pid); !known {
			changed = pid
		}
	})
	if err == nil && changed != 0 {
		err = fmt.Errorf("process %d got its first AIO context: it %w", changed, errChanged)
	}
	return err
}

// checkAIO refuses requests that no restore makes again. What else is in flight the freeze waits for.
func (r *refusal) checkAIO(p *fastcr.Process) {
	for i := range p.MM.AIO {
		switch c := &p.MM.AIO[i]; {
		case c.Waiting > 0:
			r.found = append(r.found, passingError{aioRefusal(p.PID, c, fmt.Sprintf("has %d requests in flight that wait for an event (IOCB_CMD_POLL), which no restore makes again", c.Waiting))})
		case c.InFlight > 0 && !r.look:
			r.found = append(r.found, passingError{aioRefusal(p.PID, c, fmt.Sprintf("has %d requests in flight, which no restore makes again", c.InFlight))})
		}
	}
}
