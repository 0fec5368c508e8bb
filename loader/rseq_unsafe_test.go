package loader

import (
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastcr/fastcr"
)

const rseqSig = 0x53053053

// childRseq registers rseq for its thread and stays in a critical section for
// ever: code in a page of its own that enters the section, waits in it, and
// enters it again whenever the kernel aborted it.
func childRseq() {
	debug.SetGCPercent(-1)
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	must(err)
	base := uint64(uintptr(unsafe.Pointer(&page[0])))
	const rseqAt, csAt, abortAt, codeAt, sectionAt = 0, 64, 128 + 4, 256, 256 + 23
	// struct rseq_cs: version, flags, start_ip, post_commit_offset, abort_ip
	binary.NativeEndian.PutUint64(page[csAt+8:], base+sectionAt)
	binary.NativeEndian.PutUint64(page[csAt+16:], 2)
	binary.NativeEndian.PutUint64(page[csAt+24:], base+abortAt)
	binary.NativeEndian.PutUint32(page[abortAt-4:], rseqSig)
	page[abortAt] = 0xe9 // jmp code
	binary.NativeEndian.PutUint32(page[abortAt+1:], codeAt-(abortAt+5))
	c := append(page[:codeAt:codeAt+64], 0x48, 0xb8) // mov rax, &rseq_cs
	c = binary.NativeEndian.AppendUint64(c, base+csAt)
	c = append(c, 0x48, 0xa3) // mov [&rseq.rseq_cs], rax
	c = binary.NativeEndian.AppendUint64(c, base+rseqAt+8)
	c = append(c, 0x90, 0x90, 0x90)
	if len(c) != sectionAt {
		panic(len(c))
	}
	copy(page[sectionAt:], []byte{0xeb, 0xfe}) // jmp to itself

	_, _, errno := unix.RawSyscall6(unix.SYS_RSEQ, uintptr(base+rseqAt), 32, 0, rseqSig, 0, 0)
	if errno != 0 {
		must(errno)
	}
	fmt.Println("ready", unix.Gettid())
	code := uintptr(base + codeAt)
	entry := unsafe.Pointer(&code)
	(*(*func())(unsafe.Pointer(&entry)))()
}

// TestRseqCriticalSection: a thread frozen in a critical section goes on at its
// abort handler.
func TestRseqCriticalSection(t *testing.T) {
	l := loaded(t)
	c := startChild(t, "rseq")
	stop(t, c.pid)
	var th *fastcr.Thread
	var r *threadThreadRec
	for range 1000 { // a stop may hit the few instructions outside of the section
		tree, raw := readTree(t, l, c.pid)
		th, r = thread(t, tree.Processes[0], c.tid), raw[c.tid]
		if r.Rseq.Cs != 0 {
			break
		}
		if err := unix.PtraceCont(c.tid, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		if err := unix.PtraceInterrupt(c.tid); err != nil {
			t.Fatal(err)
		}
		wait(t, c.tid)
	}
	conf, err := ptraceRseq(c.tid)
	if err != nil {
		t.Fatal(err)
	}
	if th.Rseq.Ptr != conf.ptr || th.Rseq.Sig != rseqSig || th.Rseq.Len != 32 {
		t.Errorf("registration %+v, ptrace gives %+v", th.Rseq, conf)
	}
	cs := conf.ptr + 64
	ip := r.Regs[16]
	if r.Rseq.Cs != cs || r.Rseq.StartIp != conf.ptr+279 || r.Rseq.AbortIp != conf.ptr+132 || r.Rseq.PostCommitOffset != 2 {
		t.Fatalf("section %+v at %#x", r.Rseq, ip)
	}
	if ip-r.Rseq.StartIp >= 2 {
		t.Fatalf("the child is at %#x, not in its section %+v", ip, r.Rseq)
	}
	if th.Regs.IP != r.Rseq.AbortIp || th.Rseq.CS != 0 {
		t.Errorf("goes on at %#x with rseq_cs %#x, want the abort handler %#x", th.Regs.IP, th.Rseq.CS, r.Rseq.AbortIp)
	}
}
