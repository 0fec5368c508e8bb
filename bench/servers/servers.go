// Package servers starts real servers on loopback, with data that is made on the spot, and
// knows how to ask them and whether an answer is right.
package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fastcr/fastcr/bench/openloop"
)

// Server is a kind of server.
type Server struct {
	Name    string
	Rate    float64 // requests a second
	Clients int     // connections
	MiB     int     // of data

	programs []string // that have to be installed
	library  []string // a command that fails if a library of theirs is not
	command  func(*Instance) (*exec.Cmd, error)
	fill     func(context.Context, *Instance) error
	client   func(*Instance, int) (openloop.Client, error)
	check    func(context.Context, *Instance) error // beside what every answer tells
	clear    func(*Instance)                        // what outlives its processes, besides files
}

// All are the servers that the suite knows.
func All() []*Server {
	return []*Server{redisServer, postgresServer, nginxServer, memcachedServer, goServer, javaServer, nodeServer, numpyServer}
}

// Sized is a server of one's own size: NAME,KEY=N,… with mib, rate and clients as keys. Nil if
// NAME is no server.
func Sized(spec string) (*Server, error) {
	words := strings.Split(spec, ",")
	n := slices.IndexFunc(All(), func(s *Server) bool { return s.Name == words[0] })
	if n < 0 {
		return nil, nil
	}
	s := *All()[n]
	s.Name = spec
	for _, word := range words[1:] {
		key, text, _ := strings.Cut(word, "=")
		v, err := strconv.Atoi(text)
		if err != nil || v <= 0 {
			return nil, fmt.Errorf("workload %s: %q is not KEY=NUMBER", spec, word)
		}
		switch key {
		case "mib":
			s.MiB = v
		case "rate":
			s.Rate = float64(v)
		case "clients":
			s.Clients = v
		default:
			return nil, fmt.Errorf("workload %s: servers have mib, rate and clients, not %s", spec, key)
		}
	}
	return &s, nil
}

// Missing is why a server cannot be run here, empty if it can.
func (s *Server) Missing() string {
	for _, p := range s.programs {
		if _, err := lookPath(p); err != nil {
			return fmt.Sprintf("%s is not installed: scripts/setup-bench-servers installs it", p)
		}
	}
	if len(s.library) > 0 && exec.Command(s.library[0], s.library[1:]...).Run() != nil {
		return fmt.Sprintf("%q fails: scripts/setup-bench-servers installs what is missing", strings.Join(s.library, " "))
	}
	return ""
}

// lookPath also knows where Debian keeps PostgreSQL's programs and nginx.
func lookPath(program string) (string, error) {
	if p, err := exec.LookPath(program); err == nil {
		return p, nil
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/sbin/"} {
		if found, _ := filepath.Glob(pattern + program); len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%s: %w", program, exec.ErrNotFound)
}

// Instance is a server that runs, in a session of its own.
type Instance struct {
	*Server
	PID   int
	Dir   string // its files, removed by the caller
	Port  int
	Ended chan struct{} // closed when our own child has ended; a restored one is not
	load  *openloop.Load
	own   any // what the server's kind keeps of it
}

// Start starts a server in dir, fills it and connects its clients.
func (s *Server) Start(ctx context.Context, dir string) (_ *Instance, err error) {
	if why := s.Missing(); why != "" {
		return nil, errors.New(why)
	}
	i := &Instance{Server: s, Dir: dir, Ended: make(chan struct{})}
	if i.Port, err = freePort(); err != nil {
		return nil, err
	}
	cmd, err := s.command(i)
	if err != nil {
		return nil, err
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.Dir = true, dir
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	i.PID = cmd.Process.Pid
	go func() { _ = cmd.Wait(); close(i.Ended) }()
	if err := i.connect(ctx); err != nil {
		i.Disconnect()
		text, _ := os.ReadFile(out.Name())
		return i, fmt.Errorf("%s: %w\n%s", s.Name, err, text[max(0, len(text)-2000):])
	}
	return i, nil
}

// connect waits until the server takes connections, fills it, and makes the clients.
func (i *Instance) connect(ctx context.Context) error {
	if err := i.await(ctx); err != nil {
		return err
	}
	if i.fill != nil {
		if err := i.fill(ctx, i); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	var clients []openloop.Client
	i.load = openloop.New(nil, i.Rate)
	for n := range i.Clients {
		c, err := i.client(i, n)
		if err != nil {
			return err
		}
		clients = append(clients, c)
		i.load = openloop.New(clients, i.Rate)
		if err := c.Do(ctx); err != nil { // connects, and warms up
			return err
		}
	}
	return nil
}

// startPatience is how long a server may take to begin.
const startPatience = time.Minute

func (i *Instance) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		if c, err := net.Dial("tcp", i.Address()); err == nil {
			return c.Close()
		}
		select {
		case <-i.Ended:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it takes no connection: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Address is where it listens.
func (i *Instance) Address() string { return fmt.Sprintf("127.0.0.1:%d", i.Port) }

// Load is what its clients send.
func (i *Instance) Load() *openloop.Load { return i.load }

// Check asks, without load, whether everything is as it should be.
func (i *Instance) Check(ctx context.Context) error {
	if i.check == nil {
		return nil
	}
	return i.check(ctx, i)
}

// Disconnect ends the clients.
func (i *Instance) Disconnect() {
	if i.load != nil {
		i.load.Close()
	}
}

// Clear removes what a server that was killed leaves behind, besides its files.
func (i *Instance) Clear() {
	if i.clear != nil {
		i.clear(i)
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// value is what all servers have under a number, so that every answer can be checked.
func value(n uint64) uint32 { return uint32(n * 2654435761) }
