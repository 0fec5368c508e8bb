package tests

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fastcr/fastcr/bench/servers"
)

// serve is the Go server among the servers: this very program, started as "serve PORT ITEMS MIB".
func serve(args []string) int {
	var n [3]int
	for i, arg := range args {
		n[i], _ = strconv.Atoi(arg)
	}
	fmt.Fprintln(os.Stderr, servers.Serve(context.Background(), n[0], n[1], n[2]))
	return 1
}

// TestServers dumps real servers while their clients send requests, over TCP, at a fixed rate: they
// go on while the server is dumped with -R, twice, and keep their connections and send while it is
// killed and restored. Every answer is compared with what it should be, counters show one that
// was lost or given twice, and all that the server holds is compared in the end.
func TestServers(t *testing.T) {
	for _, spec := range []string{
		"redis,mib=8,rate=1000,clients=8",
		"nginx,rate=500,clients=8",
		"memcached,mib=8,rate=1000,clients=8",
		"go,mib=8,rate=500,clients=8",
		"node,mib=8,rate=300,clients=4",
		"java,mib=8,rate=300,clients=4", // 300 threads beside the JVM's own
		"numpy,mib=8,rate=100,clients=4",
		"postgres,rate=100,clients=4",
	} {
		name, _, _ := strings.Cut(spec, ",")
		t.Run(name, func(t *testing.T) { testServer(t, spec) })
	}
}

func testServer(t *testing.T, spec string) {
	s, err := servers.Sized(spec)
	if err != nil {
		t.Fatal(err)
	}
	if why := s.Missing(); why != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	connected := []string{"--tcp-established"}
	var i *servers.Instance
	r := newRun(t, Case{Moving: true, DumpFlags: connected, RestoreFlags: connected, Cleanup: func(*testing.T, string) {
		if i != nil {
			i.Clear()
		}
	}})
	if i, err = s.Start(t.Context(), r.work); err != nil {
		t.Fatal(err)
	}
	defer i.Disconnect()
	r.pid = i.PID

	const while = 200 * time.Millisecond
	run := i.Load().Start(t.Context())
	time.Sleep(while)
	r.dumpRunning()
	time.Sleep(while)
	r.dumpRunning()
	time.Sleep(while)
	killed := run.Elapsed()
	r.dumpAndKill()
	r.restore()
	restored := run.Elapsed()
	time.Sleep(while)
	due := int(run.Elapsed().Seconds() * s.Rate)
	points, err := run.Stop(time.Minute)
	if err != nil {
		t.Fatalf("a client: %v; killed from %v, restored at %v", err, killed, restored)
	}
	if len(points) < due {
		t.Errorf("%d answers, %d requests were due", len(points), due)
	}
	meanwhile := 0
	for _, p := range points {
		if p.At > killed && p.At < restored {
			meanwhile++
		}
	}
	if meanwhile == 0 {
		t.Errorf("no request was due while the server was killed and restored, from %v to %v", killed, restored)
	}
	if err := i.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
