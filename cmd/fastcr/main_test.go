package main

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fastcr/fastcr/dump"
)

func TestBytesValue(t *testing.T) {
	for s, want := range map[string]uint64{"0": 0, "4096": 4096, "1K": 1 << 10, "10M": 10 << 20, "2g": 2 << 30} {
		var b bytesValue
		if err := b.Set(s); err != nil || uint64(b) != want {
			t.Errorf("%s: %d, %v", s, b, err)
		}
	}
	for _, s := range []string{"", "K", "-1", "1T", "1.5M", "99999999999G", "0x10"} {
		var b bytesValue
		if err := b.Set(s); err == nil || !strings.Contains(err.Error(), "10M") {
			t.Errorf("%q: %d, %v", s, b, err)
		}
	}
}

func TestSplitImagesDir(t *testing.T) {
	for in, want := range map[string][2]string{
		"-D img -j":               {"-D img", "-j"},
		"-j --images-dir=img -v4": {"--images-dir=img", "-j -v4"},
		"-Dimg -d --pidfile p":    {"-Dimg", "-d --pidfile p"},
		"-d -D":                   {"-D", "-d"},
		"-h":                      {"-h", ""},
	} {
		own, rest := splitImagesDir(strings.Fields(in))
		if got := [2]string{strings.Join(own, " "), strings.Join(rest, " ")}; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	lost := strings.Fields(strings.Repeat("x ", lostShown+3))
	if w := warnings(lost[:lostShown]); len(w) != lostShown || w[lostShown-1] != "x" {
		t.Errorf("%q", w)
	}
	if w := warnings(lost); len(w) != lostShown+1 || !strings.HasPrefix(w[lostShown], "3 lines more") {
		t.Errorf("%q", w)
	}
}

func TestSummary(t *testing.T) {
	r := &dump.Result{PIDs: []int{7, 8}, Threads: 1, Pages: 512, SharedPages: 256, Frozen: 150 * time.Microsecond, Total: 2 * time.Second}
	want := "pid 7: 2 processes, 1 thread, 768 pages (3.0 MiB), frozen 150 µs, total 2.00 s"
	if got := summary(r); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	r.Interrupted, r.Restarted, r.Sleepers = 3, 1, 1
	if got := summary(r); !strings.Contains(got, "; 2 threads saw its call") && !strings.Contains(got, "2 threads saw") || !strings.Contains(got, "; 1 thread got its sleep restarted") {
		t.Errorf("%q", got)
	}
}

// TestJSONHasEveryField: nothing of a result is forgotten.
func TestJSONHasEveryField(t *testing.T) {
	r := &dump.Result{PIDs: []int{1}, Lost: []string{"x"}}
	v := reflect.ValueOf(r).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Int, reflect.Int64:
			f.SetInt(5_000_000)
		case reflect.Uint64:
			f.SetUint(5)
		case reflect.Struct:
			for j := range f.NumField() {
				f.Field(j).SetInt(5_000_000)
			}
		}
	}
	o := reflect.ValueOf(jsonResult(r))
	for i := range o.NumField() {
		if o.Field(i).IsZero() {
			t.Errorf("%s is empty", o.Type().Field(i).Name)
		}
	}
	stages := o.FieldByName("StagesUS")
	for i := range stages.NumField() {
		if stages.Field(i).Int() != 5000 {
			t.Errorf("%s is %d µs", stages.Type().Field(i).Name, stages.Field(i).Int())
		}
	}
}

func TestExitCodes(t *testing.T) {
	for err, want := range map[error]int{
		nil:                               0,
		errors.New("x"):                   1,
		usageError{errors.New("x")}:       2,
		exitError(7):                      7,
		error(&dump.ScriptError{Code: 9}): 1, // runDump makes an exitError of it
		errors.Join(errors.New("y"), exitError(3)): 3,
	} {
		if got := exitCode("test", err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}
