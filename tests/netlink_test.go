package tests

import "testing"

func TestNetlink(t *testing.T) {
	runCase(t, Case{Name: "all", Source: "netlink"})
	runCase(t, Case{Name: "waiting", Source: "netlink", Args: []string{"waiting"}, Refused: []string{"fd 3", "netlink socket", "messages waiting"}})
	runCase(t, Case{Name: "option", Source: "netlink", Args: []string{"option"}, CRIUCannot: "it loses the option",
		Refused: []string{"fd 3", "NETLINK_EXT_ACK"}})
}
