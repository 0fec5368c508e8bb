package tests

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPacketSockets: sockets of AF_PACKET on lo, their options, groups and rings.
func TestPacketSockets(t *testing.T) {
	for _, part := range []string{"options", "filter", "spkt"} {
		runCase(t, Case{Name: part, Source: "packet", Args: []string{part}})
	}
	runCase(t, Case{Name: "rings", Source: "packet_ring"})
	runCase(t, Case{Name: "fanout", Source: "packet", Args: []string{"fanout"}, CRIUCannot: "it loses the group's flags"})
	runCase(t, Case{Name: "members", Source: "packet", Args: []string{"members"}, CRIUCannot: "it takes no membership that was asked for twice"})
	runCase(t, Case{Name: "waiting", Source: "packet", Args: []string{"waiting"}, Undisturbed: func(t *testing.T, r *Run) {
		if log, _ := os.ReadFile(r.log); tools.dumper != "criu" && !strings.Contains(string(log), "1 packets that wait") {
			t.Errorf("nothing of what is lost in %s", log)
		}
	}})
}

// TestPacketSocketsThatCannotBe: what a restore would make something else of.
func TestPacketSocketsThatCannotBe(t *testing.T) {
	const loses = "it loses it, or its restore fails"
	for how, words := range map[string][]string{
		"written": {"VMA", "socket:[", "private mapping", "written to"},
		"a part":  {"VMA", "socket:[", "a part of a packet socket's rings"},
		"closed":  {"VMA", "socket:[", "no descriptor"},
	} {
		runCase(t, Case{Name: how, Source: "packet_ring", Args: []string{"mapped", how}, CRIUCannot: loses, Refused: words})
	}
	for how, ring := range map[string]string{"received": "PACKET_RX_RING", "blocks": "PACKET_RX_RING", "filled": "PACKET_TX_RING", "sent": "PACKET_TX_RING"} {
		runCase(t, Case{Name: how, Source: "packet_ring", Args: []string{"used", how}, CRIUCannot: loses, Refused: []string{"fd 3", "socket:[", ring, "in use"}})
	}
	for _, option := range []string{"PACKET_QDISC_BYPASS", "PACKET_IGNORE_OUTGOING", "PACKET_TX_HAS_OFF", "PACKET_FANOUT_DATA", "PACKET_VNET_HDR_SZ", "SO_NOFCS"} {
		if option == "PACKET_VNET_HDR_SZ" && !hasVnetHeaderSize(t) {
			t.Log("this kernel has no PACKET_VNET_HDR_SZ") // before 6.6
			continue
		}
		runCase(t, Case{Name: option, Source: "packet", Args: []string{option}, CRIUCannot: loses, Refused: []string{"fd 3", "socket:[", option}})
	}
}

func hasVnetHeaderSize(t *testing.T) bool {
	const packetVnetHdrSz = 24
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	return unix.SetsockoptInt(fd, unix.SOL_PACKET, packetVnetHdrSz, 12) == nil
}
