package netlock

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
)

// iptables leaves the rules that criu's restore deletes one by one with the
// iptables command (iptables_unlock_connection_info). Which backend that command
// has, and so what its rules look like to the kernel, only it knows: so it is run
// here too, once an IP version, and never while the target is to live on.
type iptables struct{ left []rules }

// rules are those of one IP version.
type rules struct {
	command string
	text    string // of iptables-restore
	undo    string
}

var restoreCommands = [2]string{"iptables-restore", "ip6tables-restore"}

func newIptables() (*iptables, error) {
	for _, c := range restoreCommands {
		if err := run(c, "*filter\nCOMMIT\n", "--test"); err != nil {
			return nil, err
		}
	}
	return &iptables{}, nil
}

// rulesOf are two rules a connection.
func rulesOf(conns []Conn) (all []rules) {
	var add, remove [2]strings.Builder
	for _, c := range conns {
		local, remote, v6 := wire(c)
		i := 0
		if v6 {
			i = 1
		}
		for _, rule := range []string{
			ruleOf("INPUT", netip.AddrPortFrom(remote, c.Remote.Port()), netip.AddrPortFrom(local, c.Local.Port())),
			ruleOf("OUTPUT", netip.AddrPortFrom(local, c.Local.Port()), netip.AddrPortFrom(remote, c.Remote.Port())),
		} {
			fmt.Fprintf(&add[i], "-I %s\n", rule)
			fmt.Fprintf(&remove[i], "-D %s\n", rule)
		}
	}
	for i, c := range restoreCommands {
		if add[i].Len() > 0 {
			all = append(all, rules{c, "*filter\n" + add[i].String() + "COMMIT\n", "*filter\n" + remove[i].String() + "COMMIT\n"})
		}
	}
	return all
}

// ruleOf has the matches of criu's IPTABLES_CONN_CMD.
func ruleOf(chain string, from, to netip.AddrPort) string {
	return fmt.Sprintf("%s --protocol tcp -m mark ! --mark %#X --source %s --sport %d --destination %s --dport %d -j DROP",
		chain, soccrMark, from.Addr(), from.Port(), to.Addr(), to.Port())
}

func (k *iptables) keep(conns []Conn) error {
	for _, r := range rulesOf(conns) {
		if err := run(r.command, r.text); err != nil {
			return err
		}
		k.left = append(k.left, r)
	}
	return nil
}

func (k *iptables) drop() (err error) {
	for _, r := range k.left {
		err = errors.Join(err, run(r.command, r.undo))
	}
	k.left = nil
	return err
}

func (k *iptables) method() uint32    { return imageIptables }
func (k *iptables) lastWords() []byte { return nil }
func (k *iptables) String() string    { return "iptables rules" }

// run has iptables-restore add to what there is.
func run(command, input string, args ...string) error {
	cmd := exec.Command(command, append([]string{"--noflush", "--wait"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, bytes.TrimSpace(out))
	}
	return nil
}
