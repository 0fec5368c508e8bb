package netlock

import (
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
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

// off empties the set of protocols, which only the table's socket may do.
func (t *table) off() (o Off, err error) {
	raw, err := t.rules.socket.SyscallConn()
	if err != nil {
		return o, err
	}
	if err := raw.Control(func(fd uintptr) { o.Socket = int(fd) }); err != nil {
		return o, err
	}
	o.Message = oneWay(message(unix.NFT_MSG_DELSETELEM, 0, []netlink.Attribute{
		{Type: unix.NFTA_SET_ELEM_LIST_TABLE, Data: []byte(t.rules.table.Name + "\x00")},
		{Type: unix.NFTA_SET_ELEM_LIST_SET, Data: []byte(t.rules.on.Name + "\x00")},
	}))
	return o, nil
}

func (t *table) close() { t.rules.close() }

func (t *table) String() string { return "an nftables table" }
