package tests

import "testing"

func TestInetOptions(t *testing.T) {
	runCase(t, Case{Name: "all", Source: "inet", Args: []string{"options"}})
	runCase(t, Case{Name: "filter", Source: "inet", Args: []string{"filter"}})
}

func TestInetDatagrams(t *testing.T) {
	runCase(t, Case{Name: "udp", Source: "inet", Args: []string{"udp"}})
	runCase(t, Case{Name: "udplite", Source: "inet", Args: []string{"udplite"}})
	runCase(t, Case{Name: "corked", Source: "inet", Args: []string{"corked"},
		Refused: []string{"fd 4", "UDP socket 127.0.0.1", "corked", "let the program send"}})
	runCase(t, Case{Name: "group", Source: "inet", Args: []string{"group"}, CRIUCannot: "it leaves the group",
		Refused: []string{"fd 3", "multicast"}})
}

func TestInetListeners(t *testing.T) {
	runCase(t, Case{Name: "all", Source: "inet", Args: []string{"listeners"}})
	runCase(t, Case{Name: "waiting", Source: "inet", Args: []string{"waiting"},
		Refused: []string{"fd 3", "TCP socket 127.0.0.1", "1 connections", "--skip-in-flight"}})
}
