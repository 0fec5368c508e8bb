package tests

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sshd is an OpenSSH server on loopback, with keys of its own.
type sshd struct {
	*Run
	port string
}

// startSSHD starts one whose users have to know the passphrase of the client's key.
func startSSHD(t *testing.T, passphrase string) *sshd {
	t.Helper()
	program, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Fatalf("%v: scripts/setup-build test installs it", err)
	}
	s := &sshd{Run: newRun(t, Case{Moving: true, DumpFlags: tcpFlags, RestoreFlags: tcpFlags})}
	for key, phrase := range map[string]string{"host": "", "user": passphrase} {
		if out, err := s.command("ssh-keygen", []string{"-q", "-t", "ed25519", "-N", phrase, "-f", filepath.Join(s.work, key)}); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	s.port = freePort(t)
	conf := strings.NewReplacer("PORT", s.port, "DIR", s.work).Replace(`ListenAddress 127.0.0.1:PORT
HostKey DIR/host
AuthorizedKeysFile DIR/user.pub
StrictModes no
UsePAM yes
PidFile none
`)
	if err := os.WriteFile(filepath.Join(s.work, "config"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("/run/sshd", 0o755); err == nil { // where it locks up what is not authenticated
		t.Cleanup(func() { os.Remove("/run/sshd") })
	}
	s.serve(program)
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// serve starts the server and waits until it listens.
func (s *sshd) serve(program string) {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.logs, "out"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, "-D", "-e", "-f", filepath.Join(s.work, "config"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.pid = cmd.Process.Pid
	_ = cmd.Process.Release()
	if !eventually(20*time.Second, func() bool {
		b, _ := os.ReadFile(log.Name())
		return strings.Contains(string(b), "Server listening on 127.0.0.1 port "+s.port)
	}) {
		s.t.Fatalf("sshd does not listen:\n%s", tail(log.Name()))
	}
}

// login has a client log in, in a terminal, to a shell with the prompt "ready> ".
func (s *sshd) login(user string) *terminal {
	return inTerminal(s.t, "dumb", "ssh", "-F", "none", "-tt", "-p", s.port, "-i", filepath.Join(s.work, "user"),
		"-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile="+filepath.Join(s.work, "known"),
		user+"@127.0.0.1", "env PS1='ready> ' bash --norc --noprofile")
}

// runsAs lists what the processes of the server call themselves.
func (s *sshd) runsAs() (titles []string) {
	for _, pid := range tree(s.pid) {
		title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		titles = append(titles, strings.Trim(string(title), "\x00 "))
	}
	return titles
}

// TestSSHSession dumps sshd and the sessions in it. The clients are outside of what is dumped: they
// keep their connections, and whoever sits at their terminals notices nothing.
func TestSSHSession(t *testing.T) {
	needFastcr(t) // criu's restore fails when a job has just ended, and its dump of other users without CAP_SYS_RESOURCE
	// root's session is one process; between that of others and the network is a process of theirs.
	for user, processes := range map[string][]string{"root": {"sshd: root@pts/"}, "postgres": {"sshd: postgres [priv]", "sshd: postgres@pts/"}} {
		t.Run(user, func(t *testing.T) {
			s := startSSHD(t, "")
			shell, counter := s.login(user), s.login(user)
			shell.shows(0, "ready> ")
			counter.shows(0, "ready> ")
			shell.asks("N=41; stty size", "33 91")
			counter.types(counting + "\n")
			countsOn(t, counter.raw)
			for _, p := range processes {
				if as := s.runsAs(); !slices.ContainsFunc(as, func(title string) bool { return strings.HasPrefix(title, p) }) {
					t.Fatalf("there is no %q among %q", p, as)
				}
			}
			s.dumpRunning()
			countsOn(t, counter.raw)
			shell.asks("echo N is $((N + 1))", "N is 42")
			s.dumpAndKill()
			s.restore()
			countsOn(t, counter.raw)
			shell.asks("echo N is $((N + 2))", "N is 43")
			shell.resize(44, 132)
			shell.asks("sleep 0.2; stty size", "44 132")
			shell.types("exit 7\n")
			shell.ends(7)
			counter.interrupts("ready> ")
			counter.asks("echo interrupted after $((n > 0))", "interrupted after 1")
			another := s.login(user)
			another.shows(0, "ready> ")
			another.asks("echo $((6 * 7))", "42")
		})
	}
}

// TestSSHSessionAlone dumps one session, whose connection the server has accepted and closed, while the
// server goes on.
func TestSSHSessionAlone(t *testing.T) {
	needFastcr(t)
	for _, user := range []string{"root", "postgres"} {
		t.Run(user, func(t *testing.T) {
			s := startSSHD(t, "")
			shell := s.login(user)
			shell.shows(0, "ready> ")
			shell.asks("N=41; echo N is $N", "N is 41")
			s.pid = tree(s.pid)[1]
			s.dump("-R")
			shell.asks("echo N is $((N + 1))", "N is 42")
			pids := tree(s.pid)
			s.dump()
			if !eventually(10*time.Second, func() bool { reap(); return !anyAlive(pids) }) {
				t.Fatalf("of pids %v some live on after the dump", pids)
			}
			s.restore() // before anybody else logs in: that changes the log that all of them hold open
			shell.asks("echo N is $((N + 2))", "N is 43")
			another := s.login(user)
			another.shows(0, "ready> ")
			another.asks("echo $((6 * 7))", "42")
			shell.types("exit 7\n")
			shell.ends(7)
		})
	}
}

// TestSSHBeforeAuthentication dumps sshd while somebody has yet to type the passphrase of a key. The
// process that talks with the network is locked up then: in an empty directory, behind a seccomp
// filter, with a limit of one open file.
func TestSSHBeforeAuthentication(t *testing.T) {
	needFastcr(t) // criu's parasite may open no file
	s := startSSHD(t, "open sesame")
	// A process that may write no byte to a file gets SIGXFSZ if criu's restorer logs to one.
	s.c.RestoreFlags = append(tcpFlags[:len(tcpFlags):len(tcpFlags)], "-v2")
	x := s.login("postgres")
	x.shows(0, "Enter passphrase")
	locked := func() {
		t.Helper()
		pids := tree(s.pid)
		pid := pids[len(pids)-1]
		root, _ := os.Readlink(fmt.Sprintf("/proc/%d/root", pid))
		if mode := keyed(fmt.Sprintf("/proc/%d/status", pid))["Seccomp"]; root != "/run/sshd" || mode != "2" {
			t.Errorf("pid %d of %q has root %s and seccomp mode %s", pid, s.runsAs(), root, mode)
		}
	}
	locked()
	s.dumpRunning()
	locked()
	s.dumpAndKill()
	s.restore()
	locked()
	x.types("open sesame\n")
	x.shows(0, "ready> ")
	x.asks("echo $((6 * 7))", "42")
	x.types("exit 7\n")
	x.ends(7)
}
