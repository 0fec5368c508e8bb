package bench

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// clocked runs a command and says what it took.
func clocked(cmd *exec.Cmd) (*measured, error) {
	at := time.Now()
	err := cmd.Run()
	m := &measured{total: micros(time.Since(at))}
	if cmd.ProcessState == nil {
		return m, err
	}
	m.cpu = micros(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime())
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.peak = float64(u.Maxrss) * 1024
	}
	return m, err
}

// blocks is what a file takes, in bytes.
func blocks(info os.FileInfo) float64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return float64(st.Blocks) * 512
	}
	return float64(info.Size())
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
