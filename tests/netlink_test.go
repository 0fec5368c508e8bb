package tests

import (
	"os"
	"strings"
	"testing"
)

func TestNetlink(t *testing.T) {
	runCase(t, Case{Name: "all", Source: "netlink"})
	runCase(t, Case{Name: "waiting", Source: "netlink", Args: []string{"waiting"}, Refused: []string{"fd 3", "netlink socket", "messages waiting"}})
	for _, o := range []string{"NETLINK_PKTINFO", "NETLINK_BROADCAST_ERROR", "NETLINK_NO_ENOBUFS", "NETLINK_LISTEN_ALL_NSID", "NETLINK_GET_STRICT_CHK"} {
		runCase(t, Case{Name: o, Source: "netlink", Args: []string{o}, CRIUCannot: "it loses the option", Refused: []string{"fd 3", "netlink socket", o}})
	}
	runCase(t, Case{Name: "acknowledgements", Source: "netlink", Args: []string{"acknowledgements"}, Undisturbed: func(t *testing.T, r *Run) {
		log, err := os.ReadFile(r.log)
		for _, o := range []string{"NETLINK_CAP_ACK", "NETLINK_EXT_ACK"} {
			if tools.dumper != "criu" && (err != nil || !strings.Contains(string(log), o+" is not in the images")) {
				t.Errorf("%v; nothing of %s in the log:\n%s", err, o, log)
			}
		}
	}})
}
