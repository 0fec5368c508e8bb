package netlock

import (
	"fmt"
	"os"

	"github.com/google/nftables"
)

// table is a holder of nftables: a table that goes with its socket.
type table struct {
	rules     *ruleset
	protocols []nftables.SetElement
}

// newTable makes one under a name that nobody else has.
func newTable() (holder, error) {
	r, err := dial(fmt.Sprintf("fastcr-%d", os.Getpid()))
	if err != nil {
		return nil, err
	}
	if err := r.ownTable(); err != nil {
		r.close()
		return nil, fmt.Errorf("make nftables table %s: %w", r.table.Name, err)
	}
	t := &table{rules: r}
	for i := range families {
		t.protocols = append(t.protocols, nftables.SetElement{Key: []byte{families[i].protocol}})
	}
	r.on = &nftables.Set{Table: r.table, Name: "on", KeyType: nftables.TypeNFProto}
	if err = r.conn.AddSet(r.on, nil); err == nil {
		err = r.fill()
	}
	if err == nil {
		err = r.conn.Flush()
	}
	if err != nil {
		r.close()
		return nil, fmt.Errorf("fill nftables table %s: %w", r.table.Name, err)
	}
	return t, nil
}

func (t *table) add(conns []Conn) error {
	if len(conns) == 0 {
		return nil
	}
	if err := t.rules.add(conns); err != nil {
		return err
	}
	return t.rules.conn.Flush()
}

func (t *table) turn(on bool) error {
	if on {
		if err := t.rules.conn.SetAddElements(t.rules.on, t.protocols); err != nil {
			return err
		}
	} else {
		t.rules.conn.FlushSet(t.rules.on)
	}
	return t.rules.conn.Flush()
}

// switchMap is none: nobody but the socket's owner may change the table.
func (t *table) switchMap() (uint32, error) { return 0, nil }

func (t *table) close() { t.rules.close() }

func (t *table) String() string { return "an nftables table" }
