package netlock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// soccrMark is SOCCR_MARK of criu's soccr.h, on the packets of a repair: they pass.
const soccrMark = 0xC114

// tableOwner is NFT_TABLE_F_OWNER: the table belongs to the socket that made it, and goes with it.
const tableOwner = 2

// elementsAtOnce is how many elements a message has: a netlink attribute is 64 KiB at most.
const elementsAtOnce = 500

// sendBuffer is for a batch of 100,000 elements, in bytes: one is sent at once.
const sendBuffer = 16 << 20

// ruleset is a table as criu's nftables_init_connection_lock makes it: two chains, that let
// marked packets pass and drop those of the connections in two sets.
type ruleset struct {
	conn   *nftables.Conn
	socket *netlink.Conn
	table  *nftables.Table
	sets   [2]*nftables.Set // of IPv4 and IPv6
	on     *nftables.Set    // the protocols whose packets are held; nil: both
}

// dial opens a socket that stays open.
func dial(name string) (*ruleset, error) {
	r := &ruleset{table: &nftables.Table{Name: name, Family: nftables.TableFamilyINet}}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		r.socket = c
		return c.SetWriteBuffer(sendBuffer)
	}))
	if err != nil {
		return nil, fmt.Errorf("open a netfilter netlink socket: %w", err)
	}
	r.conn = conn
	return r, nil
}

func (r *ruleset) close() { _ = r.conn.CloseLasting() }

// Registers of struct nft_regs that keys are put together in: 16 registers of 4 bytes.
const register0 = unix.NFT_REG32_00

// family is what differs between IPv4 and IPv6.
type family struct {
	set                 string
	protocol            byte
	saddr, daddr, bytes uint32 // in the IP header
	address             nftables.SetDatatype
}

var families = [2]family{
	{"conns4", unix.NFPROTO_IPV4, 12, 16, 4, nftables.TypeIPAddr},
	{"conns6", unix.NFPROTO_IPV6, 8, 24, 16, nftables.TypeIP6Addr},
}

// fill adds chains, sets and rules to the batch.
func (r *ruleset) fill() error {
	accept := nftables.ChainPolicyAccept
	var chains []*nftables.Chain
	for name, hook := range map[string]*nftables.ChainHook{"output": nftables.ChainHookOutput, "input": nftables.ChainHookInput} {
		c := r.conn.AddChain(&nftables.Chain{
			Name: name, Table: r.table, Type: nftables.ChainTypeFilter, Hooknum: hook,
			Priority: nftables.ChainPriorityFilter, Policy: &accept,
		})
		r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: c, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyMARK, Register: register0},
			&expr.Cmp{Op: expr.CmpOpEq, Register: register0, Data: binaryutil.NativeEndian.PutUint32(soccrMark)},
			&expr.Verdict{Kind: expr.VerdictAccept},
		}})
		chains = append(chains, c)
	}
	for i := range families {
		f := &families[i]
		key, err := nftables.ConcatSetType(f.address, nftables.TypeInetService, f.address, nftables.TypeInetService)
		if err != nil {
			return err
		}
		r.sets[i] = &nftables.Set{Table: r.table, Name: f.set, KeyType: key, Concatenation: true}
		if err := r.conn.AddSet(r.sets[i], nil); err != nil {
			return err
		}
		for _, c := range chains {
			r.conn.AddRule(&nftables.Rule{Table: r.table, Chain: c, Exprs: f.drop(r.sets[i], r.on)})
		}
	}
	return nil
}

// drop is "ip saddr . tcp sport . ip daddr . tcp dport @conns4 drop", as nft says it.
func (f *family) drop(set, on *nftables.Set) []expr.Any {
	words := f.bytes / 4
	sport, daddr, dport := register0+words, register0+words+1, register0+2*words+1
	equals := func(key expr.MetaKey, value byte) []expr.Any {
		return []expr.Any{
			&expr.Meta{Key: key, Register: register0},
			&expr.Cmp{Op: expr.CmpOpEq, Register: register0, Data: []byte{value}},
		}
	}
	load := func(base expr.PayloadBase, at, n, to uint32) expr.Any {
		return &expr.Payload{DestRegister: to, Base: base, Offset: at, Len: n}
	}
	rule := append(equals(expr.MetaKeyNFPROTO, f.protocol), equals(expr.MetaKeyL4PROTO, unix.IPPROTO_TCP)...)
	if on != nil {
		rule = slices.Insert(rule, 1, expr.Any(&expr.Lookup{SourceRegister: register0, SetName: on.Name, SetID: on.ID}))
	}
	return append(rule,
		load(expr.PayloadBaseNetworkHeader, f.saddr, f.bytes, register0),
		load(expr.PayloadBaseTransportHeader, 0, 2, sport),
		load(expr.PayloadBaseNetworkHeader, f.daddr, f.bytes, daddr),
		load(expr.PayloadBaseTransportHeader, 2, 2, dport),
		&expr.Lookup{SourceRegister: register0, SetName: set.Name, SetID: set.ID},
		&expr.Verdict{Kind: expr.VerdictDrop},
	)
}

// add adds connections to the batch, both directions of each.
func (r *ruleset) add(conns []Conn) error {
	var all [2][]nftables.SetElement
	for _, c := range conns {
		in, out, v6 := elements(c)
		i := 0
		if v6 {
			i = 1
		}
		all[i] = append(all[i], nftables.SetElement{Key: in}, nftables.SetElement{Key: out})
	}
	for i, set := range r.sets {
		for part := range slices.Chunk(all[i], elementsAtOnce) {
			if err := r.conn.SetAddElements(set, part); err != nil {
				return err
			}
		}
	}
	return nil
}

// ownTable makes a table that the socket owns, which the library cannot.
func (r *ruleset) ownTable() error {
	return r.exchange(tableMessage(unix.NFT_MSG_NEWTABLE, netlink.Create, r.table.Name, tableOwner))
}

// exchange sends one message as a batch and waits for its answer.
func (r *ruleset) exchange(m netlink.Message) error {
	if _, err := r.socket.SendMessages(batch(m)); err != nil {
		return err
	}
	_, err := r.socket.Receive()
	return err
}

// tableMessage is NFT_MSG_NEWTABLE or NFT_MSG_DELTABLE of an inet table.
func tableMessage(kind int, flags netlink.HeaderFlags, name string, tableFlags uint32) netlink.Message {
	return message(kind, flags, []netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: []byte(name + "\x00")},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, tableFlags)},
	})
}

func message(kind int, flags netlink.HeaderFlags, list []netlink.Attribute) netlink.Message {
	attrs, err := netlink.MarshalAttributes(list)
	if err != nil {
		panic(err) // a name longer than 64 KiB
	}
	return netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
			Flags: netlink.Request | netlink.Acknowledge | flags,
		},
		Data: append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, attrs...),
	}
}

// oneWay is a batch of one message, whose answer nobody reads.
func oneWay(m netlink.Message) (b []byte) {
	for _, m := range batch(m) {
		m.Header.Flags &^= netlink.Acknowledge
		m.Header.Length = uint32(unix.NLMSG_HDRLEN + len(m.Data))
		text, err := m.MarshalBinary()
		if err != nil {
			panic(err) // a length that is wrong
		}
		b = append(b, text...)
	}
	return b
}

// batch puts a message between the marks that nf_tables wants.
func batch(m netlink.Message) []netlink.Message {
	mark := func(kind int) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request},
			Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}, // struct nfgenmsg
		}
	}
	return []netlink.Message{mark(unix.NFNL_MSG_BATCH_BEGIN), m, mark(unix.NFNL_MSG_BATCH_END)}
}

// isMissing tells whether a table is not there.
func isMissing(err error) bool { return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOENT) }
