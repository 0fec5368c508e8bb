package bench

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// clocked runs a command and says what it took, if it is one of targets/run.c, which tells.
func clocked(cmd *exec.Cmd) (*measured, error) {
	told, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer told.Close()
	cmd.ExtraFiles = []*os.File{tell}
	err = cmd.Run()
	tell.Close()
	m := &measured{}
	if _, scan := fmt.Fscan(told, &m.total, &m.cpu, &m.peak); scan == nil {
		m.peak *= 1024
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
