package loader

import (
	"testing"

	"github.com/fastcr/fastcr"
)

// TestAIO compares contexts with what their process has done.
func TestAIO(t *testing.T) {
	l := loaded(t)
	var made []childContext
	c := startSpeaking(t, "aio", &made)
	s, err := l.NewSession([]int{c.pid})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Collect(); err != nil {
		t.Fatal(err)
	}
	var users []int
	if err := s.EachAIOUser(func(pid int) { users = append(users, pid) }); err != nil || len(users) != 1 || users[0] != c.pid {
		t.Fatalf("%v have contexts, want %d: %v", users, c.pid, err)
	}
	if err := s.PickAIO(users); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what was read before is forgotten
		if err := s.RearmAIO(); err != nil {
			t.Fatal(err)
		}
		if err := s.ReadAIO(); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := s.Look()
	if err != nil {
		t.Fatal(err)
	}
	p := tree.Processes[0]
	if len(made) != childContexts || len(p.MM.AIO) != childContexts {
		t.Fatalf("%d contexts, %d were made", len(p.MM.AIO), len(made))
	}
	rings := map[uint64]*fastcr.VMA{}
	for i := range p.VMAs {
		if v := &p.VMAs[i]; v.Kind == fastcr.VMAAIORing {
			rings[v.Start] = v
		}
	}
	byID := map[uint64]fastcr.AIOContext{}
	for _, a := range p.MM.AIO {
		byID[a.ID] = a
	}
	for i, m := range made {
		a, v := byID[m.ID], rings[m.ID]
		if v == nil || v.File != a.File || v.End-v.Start != a.Size {
			t.Errorf("context %d: %+v, mapping %+v", i, a, v)
		}
		if a.InFlight != int64(m.Polls) || int(a.Waiting) != m.Polls || int(a.Tail) != m.Done || uint64(a.Events) != (a.Size-32)/32 {
			t.Errorf("context %d: %+v, want %+v", i, a, m)
		}
	}
}
