package tests

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// state is a tree as /proc shows it: "PID key" → value.
type state map[string]string

// statusKeys of /proc/PID/status are compared for each thread, processKeys for each process.
var (
	statusKeys  = []string{"Name", "Uid", "Gid", "Groups", "SigBlk", "SigPnd", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters"}
	processKeys = []string{"Umask", "Threads", "ShdPnd", "SigIgn", "SigCgt", "CoreDumping", "THP_enabled", "VmLck"}
	// sharedAnonymous are the names that maps gives to memory of MAP_SHARED|MAP_ANONYMOUS.
	sharedAnonymous = map[string]bool{
		"/dev/zero (deleted)": true, "/memfd:/dev/zero (deleted)": true, "/memfd: (deleted)": true,
		"/anon_hugepage (deleted)": true, "/memfd:/anon_hugepage (deleted)": true,
	}
	inode = regexp.MustCompile(`:\[\d+\]`)
)

// look reads the tree below the run's root.
func (r *Run) look() state {
	s := state{}
	if r.c.Moving {
		return s
	}
	for _, pid := range tree(r.pid) {
		lookProcess(s, pid, pid == r.pid)
	}
	return s
}

func lookProcess(s state, pid int, root bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	put := func(key, val string) { s[fmt.Sprintf("%d %s", pid, key)] = val }
	stat := statFields(dir + "/stat")
	if len(stat) < 50 {
		return // gone
	}
	if root {
		stat[1] = "outside"
	}
	put("ppid", stat[1])
	put("pgrp", stat[2])
	put("sid", stat[3])
	if stat[0] == "Z" {
		put("zombie with", stat[49])
		return
	}
	status := keyed(dir + "/status")
	for _, k := range processKeys {
		put(k, status[k])
	}
	for _, f := range []string{"oom_score_adj", "loginuid", "personality", "limits", "timers", "cmdline"} {
		b, _ := os.ReadFile(filepath.Join(dir, f))
		put(f, string(b))
	}
	cgroups, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
	put("cgroup", hierarchyNumber.ReplaceAllString(string(cgroups), ""))
	for _, f := range []string{"environ", "auxv"} {
		b, _ := os.ReadFile(filepath.Join(dir, f))
		put(f, fmt.Sprintf("%d bytes, sha256 %x", len(b), sha256.Sum256(b)))
	}
	for _, f := range []string{"exe", "cwd", "root"} {
		l, _ := os.Readlink(filepath.Join(dir, f))
		put(f, l)
	}
	put("maps", mappings(dir+"/maps"))
	for _, fd := range names(dir + "/fd") {
		l, _ := os.Readlink(filepath.Join(dir, "fd", fd))
		info := keyed(filepath.Join(dir, "fdinfo", fd))
		l = strings.Replace(inode.ReplaceAllString(l, ""), ".cr_link (deleted)", " (deleted)", 1) // its name is taken: criu's other one
		put("fd "+fd, fmt.Sprintf("%s pos %s flags %s", l, info["pos"], openFlags(info["flags"])))
	}
	for _, tid := range names(dir + "/task") {
		lookThread(put, filepath.Join(dir, "task", tid), tid)
	}
}

// hierarchyNumber begins the lines of /proc/PID/cgroup: a hierarchy that somebody unmounts and
// mounts again gets another one.
var hierarchyNumber = regexp.MustCompile(`(?m)^[0-9]+:`)

// openFlags takes out what criu does not restore of an open file's flags, O_TMPFILE and, with it,
// O_DIRECTORY, and O_LARGEFILE, which open(2) adds and the ioctl that opens a pty's other end does not.
func openFlags(flags string) string {
	n, err := strconv.ParseUint(flags, 8, 32)
	if err != nil {
		return flags
	}
	const largeFile = 0o100000 // unix.O_LARGEFILE is what a 64-bit program passes: nothing
	return fmt.Sprintf("0%o", n&^(unix.O_TMPFILE|largeFile))
}

func lookThread(put func(string, string), dir, tid string) {
	status, stat := keyed(dir+"/status"), statFields(dir+"/stat")
	for _, k := range statusKeys {
		put("thread "+tid+" "+k, status[k])
	}
	if len(stat) >= 39 {
		put("thread "+tid+" nice, rt_priority, policy", stat[16]+" "+stat[37]+" "+stat[38])
	}
}

// mappings gives a process's maps with neighbours of one kind joined: the kernel may merge
// or split them, which no program can see.
func mappings(path string) string {
	b, _ := os.ReadFile(path)
	var out []string
	var end, kind string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		name := inode.ReplaceAllString(strings.Join(f[5:], " "), "")
		from, to, _ := strings.Cut(f[0], "-")
		switch {
		case sharedAnonymous[name]: // criu restores it as a memfd
			name = "(shared anonymous)"
		case name == "[stack]":
			from = "" // grows
		}
		if k := f[1] + " " + name; k == kind && from == end {
			out[len(out)-1] = strings.Replace(out[len(out)-1], "-"+end, "-"+to, 1)
		} else {
			out = append(out, from+"-"+to+" "+k)
			kind = k
		}
		end = to
	}
	return strings.Join(out, "\n")
}

// compare says what /proc shows differently from the last look before the dump.
func (r *Run) compare(when string) {
	r.t.Helper()
	var diff []string
	eventually(3*time.Second, func() bool { // what runs may be between two of its polls
		diff = r.before.differs(r.look(), r.c.Ignore)
		return len(diff) == 0
	})
	if n := len(diff); n > 40 {
		diff = append(diff[:40], fmt.Sprintf("… and %d more", n-40))
	}
	if len(diff) > 0 {
		r.t.Errorf("%s /proc shows:\n%s", when, strings.Join(diff, "\n"))
	}
	if r.c.Stopped {
		return
	}
	for _, pid := range tree(r.pid) {
		// Whoever traces it may stop it for a moment.
		if !eventually(3*time.Second, func() bool { return !stopped(pid) }) {
			r.t.Errorf("%s pid %d is stopped", when, pid)
		}
	}
}

func (s state) differs(now state, ignore []string) []string {
	var out []string
	add := func(key, was, is string) {
		if was != is && !slices.ContainsFunc(ignore, func(i string) bool { return strings.Contains(key, i) }) {
			out = append(out, fmt.Sprintf("%s: %s", key, firstDifference(was, is)))
		}
	}
	for key, was := range s {
		if pid, k, _ := strings.Cut(key, " "); k != "ppid" && now[pid+" ppid"] == "" {
			continue // one line is enough for a process that is gone
		}
		add(key, was, now[key])
	}
	for key, is := range now {
		if _, ok := s[key]; !ok {
			add(key, "", is)
		}
	}
	sort.Strings(out)
	return out
}

// firstDifference shortens two texts of several lines to the first that differ.
func firstDifference(was, is string) string {
	a, b := strings.Split(was, "\n"), strings.Split(is, "\n")
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] != b[i] {
			return fmt.Sprintf("was %q, is %q (line %d)", a[i], b[i], i+1)
		}
	}
	return fmt.Sprintf("was %d lines, is %d", len(a), len(b))
}

// tree lists root and all its descendants, zombies too.
func tree(root int) []int {
	parents := map[int][]int{}
	for _, n := range names("/proc") {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if st := statFields("/proc/" + n + "/stat"); len(st) > 1 {
			ppid, _ := strconv.Atoi(st[1])
			parents[ppid] = append(parents[ppid], pid)
		}
	}
	out := []int{root}
	for i := 0; i < len(out); i++ {
		out = append(out, parents[out[i]]...)
	}
	return out
}

// statFields splits a stat file from the state on: [0] is the third field of proc(5).
func statFields(path string) []string {
	b, _ := os.ReadFile(path)
	_, rest, ok := strings.Cut(string(b), ") ")
	for ok && strings.Contains(rest, ") ") { // a comm may hold one
		_, rest, _ = strings.Cut(rest, ") ")
	}
	return strings.Fields(rest)
}

// keyed reads "Key:\tvalue" lines.
func keyed(path string) map[string]string {
	b, _ := os.ReadFile(path)
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok {
			out[k] = strings.TrimSpace(v)
		}
	}
	return out
}

func names(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	n, _ := f.Readdirnames(-1)
	sort.Strings(n)
	return n
}

func exists(path string) bool { return unix.Access(path, unix.F_OK) == nil }

// alive says whether pid is a process that is not a zombie.
func alive(pid int) bool {
	st := statFields(fmt.Sprintf("/proc/%d/stat", pid))
	return len(st) > 0 && st[0] != "Z" && st[0] != "X"
}

func anyAlive(pids []int) bool {
	return slices.ContainsFunc(pids, func(p int) bool { return exists(fmt.Sprintf("/proc/%d", p)) })
}

// eventually polls until done or until patience has passed; it returns the last answer.
func eventually(patience time.Duration, done func() bool) bool {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if done() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// tail gives the errors and the end of a log.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	var out []string
	for i, l := range lines {
		if i >= len(lines)-25 || strings.Contains(l, "Error") || strings.Contains(l, "rror:") {
			out = append(out, l)
		}
	}
	return filepath.Base(path) + ":\n  " + strings.Join(out, "\n  ")
}
