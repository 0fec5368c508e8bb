package fastcr

// VMA is one mapping (struct vm_area_struct).
type VMA struct {
	Start, End uint64 // bytes
	Flags      uint64 // VM_* bits of vm_flags, normalised to the VM* constants below
	Pgoff      uint64 // offset into the file, in bytes
	Kind       VMAKind
	Name       string // PR_SET_VMA_ANON_NAME, or "[vdso]"

	File      KObj    // struct file; 0: anonymous
	Path      PathRef // of the file
	Shm       ShmID   // the shmem object of a shared anonymous mapping
	OpenFlags uint32  // f_flags of the mapped file
	HugePage  uint64  // bytes of a page, of a hugetlb mapping (VMHugeTLB)
	Anon      bool    // it has anonymous pages, or had
	Forked    bool    // since a fork, its anonymous pages may be another process's too
}

// VMAKind tells how CRIU treats a mapping (its VMA_AREA_*/VMA_* status bits follow from it).
type VMAKind uint8

const (
	VMAAnonPrivate VMAKind = iota
	VMAAnonShared          // shmem: MAP_SHARED|MAP_ANONYMOUS, /dev/zero
	VMASysVShm             // shmat
	VMAFilePrivate
	VMAFileShared
	VMAVdso
	VMAVvar     // every vvar flavour (vvar, vvar_vclock)
	VMAVsyscall // the gate page
	VMAAIORing
	VMASocket      // packet socket rings
	VMAMemfd       // of a memfd, private or shared by VMMayShare; privately of a VMAAnonShared object
	VMAHugetlbAnon // anonymous hugetlb, private or shared by VMShared
	VMAUnsupported // a device or special mapping that cannot be restored
	VMAUprobes
)

// vm_flags bits, stable across kernels and architectures in meaning (values are ours:
// the BPF side translates).
const (
	VMRead uint64 = 1 << iota
	VMWrite
	VMExec
	VMShared
	VMMayShare
	VMGrowsDown
	VMLocked
	VMIO
	VMPFNMap
	VMDontCopy // MADV_DONTFORK
	VMDontExpand
	VMDontDump // MADV_DONTDUMP
	VMHugeTLB
	VMHugePage   // MADV_HUGEPAGE
	VMNoHugePage // MADV_NOHUGEPAGE
	VMMergeable  // MADV_MERGEABLE
	VMWipeOnFork // MADV_WIPEONFORK
	VMSeqRead    // MADV_SEQUENTIAL
	VMRandRead   // MADV_RANDOM
	VMNoReserve
	VMAccount
	VMUffdMissing
	VMUffdWP
	VMSealed
	VMDroppable
	VMMayWrite
	VMShadowStack
	VMLockOnFault
	VMUffdMinor
)

// HasShm tells whether a mapping is of a shared memory object without a name, Shm: a memfd, or
// anonymous shared memory.
func (v *VMA) HasShm() bool {
	return v.Kind == VMAMemfd || v.Kind == VMAAnonShared || v.Kind == VMAHugetlbAnon && v.Flags&VMShared != 0
}

// SegmentID is the number of the System V shared memory that a VMASysVShm is attached to (shmget(2)): the
// kernel gives its file that inode number.
func (v *VMA) SegmentID() int { return int(v.Path.Ino) }

// ShmID identifies a shmem object: device and inode.
type ShmID struct{ Dev, Ino uint64 }

// PathRef is a path as the kernel gives it for fastcr's root, with the inode it led to.
type PathRef struct {
	Path         string
	Deleted      bool   // the dentry is unlinked; Path has no " (deleted)"
	Gone         bool   // a file that /proc had of a process, or a thread, that is gone
	Helper       int    // the number of the process that a restore opens it of, where that is gone; filled by package dump
	Dev          uint64 // as stat(2) gives st_dev
	SDev         uint64 // the superblock's (kernel encoding, differs on btrfs and overlayfs)
	Ino          uint64
	Nlink        uint32
	Mode         uint32 // st_mode
	RDev         uint64 // st_rdev of a device node
	Size         uint64 // bytes
	UID, GID     uint32
	FSMagic      uint64 // s_magic
	MntID        int32  // as in fdinfo
	Atime, Mtime int64  // nanoseconds since the epoch
	External     string // --external's name of it: it is not part of the checkpoint
}

// Shm is the shared memory object that the file is, if it is one.
func (p *PathRef) Shm() ShmID { return ShmID{Dev: p.Dev, Ino: p.Ino} }

// OtherNames says that a deleted file can be reached by another name.
func (p *PathRef) OtherNames() bool {
	const format, dir = 0o170000, 0o040000 // S_IFMT, S_IFDIR
	return p.Deleted && p.Nlink > 0 && p.Mode&format != dir
}
