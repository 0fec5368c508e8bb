package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const ownNamespace = "it dumps System V shared memory in an IPC namespace of its own only"

func TestSysV(t *testing.T) {
	for _, c := range []Case{
		{Name: "attached", Undisturbed: func(t *testing.T, r *Run) {
			if log, err := os.ReadFile(r.log); err != nil || !strings.Contains(string(log), "System V shared memory") || !strings.Contains(string(log), "not in the images") {
				t.Errorf("%v, nothing of the content in the log:\n%s", err, log)
			}
		}},
		{Name: "huge", Setup: lendHugePages},
		{Name: "undo zero"},
		{Name: "removed", Refused: []string{"System V shared memory", "IPC_RMID"}},
		{Name: "a part", Refused: []string{"System V shared memory", "not the whole"}},
		{Name: "moved", Refused: []string{"System V shared memory", "not the whole"}},
		{Name: "locked", Refused: []string{"System V shared memory", "mlock"}},
		{Name: "executable", Refused: []string{"System V shared memory", "execution"}},
		{Name: "undo", Refused: []string{"sysv", "semaphores", "SEM_UNDO"}},
		{Name: "undo far", Refused: []string{"sysv", "semaphores", "SEM_UNDO"}},
		{Name: "undo high", Refused: []string{"sysv", "semaphores", "SEM_UNDO"}},
		{Name: "undo child", Refused: []string{"sysv", "semaphores", "SEM_UNDO"}},
	} {
		c.Source, c.CRIUCannot, c.Cleanup = "sysv", ownNamespace, removeIPC
		if c.Name != "attached" {
			c.Args = []string{c.Name}
		}
		runCase(t, c)
	}
}

// removeIPC removes what the program made and nobody else does: it outlives it.
func removeIPC(t *testing.T, dir string) {
	ids, err := os.ReadFile(filepath.Join(dir, "ids"))
	if err != nil {
		return // it was not made
	}
	if out, err := exec.Command("ipcrm", strings.Fields(string(ids))...).CombinedOutput(); err != nil && !strings.Contains(string(out), "already removed") && !strings.Contains(string(out), "invalid id") {
		t.Errorf("ipcrm %s: %v: %s", ids, err, out)
	}
}

// TestSegmentsThatGo: a namespace in which segments go with their last attachment.
func TestSegmentsThatGo(t *testing.T) {
	needFastcr(t)
	img, target := t.TempDir(), buildTarget(t, "sysv")
	script := `echo 1 >/proc/sys/kernel/shm_rmid_forced || exit 9; cd "$2"; setsid "$1" & pid=$!
		for i in 1 2 3 4 5 6 7 8 9 10; do [ -e ready ] || sleep 0.2; done
		"$0" dump --pid $pid -D "$3"; code=$?; kill -0 $pid || echo "not as it was"; kill -9 -$pid; exit $code`
	out, err := exec.Command("unshare", "--ipc", "sh", "-c", script, tools.fastcr, target, t.TempDir(), img).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "shm_rmid_forced") || strings.Contains(string(out), "not as it was") || len(names(img)) > 0 {
		t.Errorf("%v, says %s, left %v", err, out, names(img))
	}
}
