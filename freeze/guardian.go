package freeze

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
)

// guardianName is argv[0] of the guardian, a second run of fastcr's own binary.
const guardianName = "fastcr-guardian"

// The guardian takes over before main: any program that uses this package can
// be its own guardian.
func init() {
	if len(os.Args) == 1 && os.Args[0] == guardianName {
		guard(os.Stdin)
		os.Exit(0)
	}
}

// guardian is fastcr's side: a pipe whose other end the guardian reads. The pipe
// is fastcr's alone, so that it closes however fastcr ends.
type guardian struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

// startGuardian starts a guardian in a session of its own, out of reach of the
// terminal's signals.
func startGuardian() (*guardian, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{guardianName}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	cmd.Dir = "/"
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	return &guardian{cmd: cmd, in: in}, nil
}

// watch tells the guardian of a cgroup before it is made or frozen.
func (g *guardian) watch(dir, origin string) error {
	if _, err := fmt.Fprintf(g.in, "%s\t%s\n", dir, origin); err != nil {
		return fmt.Errorf("tell guardian of %s: %w", dir, err)
	}
	return nil
}

// dismiss ends the guardian; there is nothing left to guard.
func (g *guardian) dismiss() {
	g.cmd.Process.Kill()
	g.in.Close()
	g.cmd.Wait()
}

// guard is the guardian's life: it reads which cgroups there are, and when
// fastcr is gone it thaws them, moves the tasks back and removes them.
func guard(in io.Reader) {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGTSTP)
	type pair struct{ dir, origin string }
	var groups []pair
	for sc := bufio.NewScanner(in); sc.Scan(); {
		if dir, origin, ok := strings.Cut(sc.Text(), "\t"); ok {
			groups = append(groups, pair{dir, origin})
		}
	}
	for _, g := range groups {
		os.WriteFile(g.dir+"/cgroup.freeze", []byte("0"), 0)
	}
	for _, g := range groups {
		if g.dir != g.origin {
			dissolve(g.dir, g.origin)
		}
	}
}
