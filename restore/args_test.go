package restore

import (
	"strings"
	"testing"
)

func TestScan(t *testing.T) {
	for args, want := range map[string]known{
		"":                               {},
		"-j":                             {},
		"-d":                             {detached: true},
		"-jd":                            {detached: true},
		"-jW w -v4 -d":                   {detached: true, workDir: "w"},
		"-v4d":                           {},
		"-olog":                          {logFile: "log"},
		"-o log -Wdir":                   {logFile: "log", workDir: "dir"},
		"-o -d":                          {logFile: "-d"},
		"-r -d --external -d":            {},
		"--restore-detached --pidfile p": {detached: true, pidFile: "p"},
		"--restore-detached --no-restore-detached": {},
		"--restore-det --pidf=p --log-f=l":         {detached: true, pidFile: "p", logFile: "l"},
		"--work-dir=a=b":                           {workDir: "a=b"},
		"--restore-sibling --log-pid":              {},
		"--exec-cmd -- prog -d":                    {execCmd: true},
		"--manage-cgroups -d":                      {detached: true}, // its value is glued
		"--pidfile":                                {},
	} {
		if got := scan(strings.Fields(args)); got != want {
			t.Errorf("%q: %+v, want %+v", args, got, want)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add("-jd --pidfile x -W -- -d")
	f.Fuzz(func(t *testing.T, line string) { scan(strings.Fields(line)) })
}

func TestLastErrors(t *testing.T) {
	log := `(00.000001) Version: 4.2.1
(00.168829) Error (criu/util.c:1534): rlimit: Can't setup
(00.170000)   6287: Error (criu/files-reg.c:2353): Can't open file tmp/x on restore: No such file or directory
(00.170000) Warn  (criu/x.c:1): mind an Error (not this one): said
Error (criu/cr-restore.c:1237): Can't fork for 19005: File exists
cut off`
	got := lastErrors([]byte(log))
	want := []string{"rlimit: Can't setup", "Can't open file tmp/x on restore: No such file or directory", "Can't fork for 19005: File exists"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q", got)
	}
	if got := lastErrors([]byte(strings.Repeat("Error (a.c:1): x\n", 20))); len(got) != maxReasons {
		t.Errorf("%d errors", len(got))
	}
	if pids := takenPIDs([]byte(log)); len(pids) != 1 || pids[0] != 19005 {
		t.Errorf("taken: %v", pids)
	}
}

func TestTailIsBounded(t *testing.T) {
	var sum strings.Builder
	tail := &tail{to: &sum}
	for range 100 {
		if _, err := tail.Write(make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
	}
	if sum.Len() != 500000 || len(tail.end) > 2*maxTail || len(tail.end) < maxTail {
		t.Errorf("handed on %d bytes, kept %d", sum.Len(), len(tail.end))
	}
}
