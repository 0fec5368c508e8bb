package netlock

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// keeper leaves, for criu's restore, what criu's own dump would have left.
type keeper interface {
	keep(conns []Conn) error
	drop() error
	method() uint32 // NETWORK_LOCK_METHOD
	lastWords() []byte
	String() string
}

// newKeeper finds out whether this machine has what the method needs.
func newKeeper(m Method, runID string) (keeper, error) {
	if m == Iptables {
		return newIptables()
	}
	k := &keptTable{name: "CRIU-" + runID}
	err := k.probe()
	if err == nil || m == Nftables {
		return k, err
	}
	// A kernel without nf_tables: criu's restore can remove iptables rules only.
	ipt, e := newIptables()
	if e != nil {
		return nil, fmt.Errorf("%w; %w", err, e)
	}
	return ipt, nil
}

// keptTable is the nftables table that criu's restore deletes: criu's
// nftables_get_table names it by the run id of the dump.
type keptTable struct{ name string }

func (k *keptTable) probe() error {
	r, err := dial(k.name)
	if err != nil {
		return err
	}
	defer r.close()
	err = r.exchange(tableMessage(unix.NFT_MSG_DELTABLE, 0, k.name, 0))
	if err == nil || isMissing(err) {
		return nil
	}
	return fmt.Errorf("ask for nftables table %s: %w", k.name, err)
}

func (k *keptTable) keep(conns []Conn) error {
	r, err := dial(k.name)
	if err != nil {
		return err
	}
	defer r.close()
	r.conn.CreateTable(r.table)
	if err := r.fill(); err != nil {
		return err
	}
	if err := r.add(conns); err != nil {
		return err
	}
	if err := r.conn.Flush(); err != nil {
		return fmt.Errorf("make nftables table %s of %d connections: %w", k.name, len(conns), err)
	}
	return nil
}

func (k *keptTable) drop() error {
	r, err := dial(k.name)
	if err != nil {
		return err
	}
	defer r.close()
	err = r.exchange(tableMessage(unix.NFT_MSG_DELTABLE, 0, k.name, 0))
	if err != nil && !isMissing(err) {
		return fmt.Errorf("remove nftables table %s: %w", k.name, err)
	}
	return nil
}

func (k *keptTable) method() uint32 { return imageNftables }
func (k *keptTable) String() string { return "an nftables table" }

// lastWords is drop as one message.
func (k *keptTable) lastWords() []byte {
	return oneWay(tableMessage(unix.NFT_MSG_DELTABLE, 0, k.name, 0))
}
