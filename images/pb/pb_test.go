package pb

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/checkpoint-restore/go-criu/v8/crit/images/cgroup"
	criu_core "github.com/checkpoint-restore/go-criu/v8/crit/images/criu-core"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/fdinfo"
	file_lock "github.com/checkpoint-restore/go-criu/v8/crit/images/file-lock"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/fs"
	ghost_file "github.com/checkpoint-restore/go-criu/v8/crit/images/ghost-file"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/inventory"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/memfd"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/mm"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/pagemap"
	pipe_data "github.com/checkpoint-restore/go-criu/v8/crit/images/pipe-data"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/pstree"
	remap_file_path "github.com/checkpoint-restore/go-criu/v8/crit/images/remap-file-path"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/seccomp"
	sk_packet "github.com/checkpoint-restore/go-criu/v8/crit/images/sk-packet"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/stats"
	tcp_stream "github.com/checkpoint-restore/go-criu/v8/crit/images/tcp-stream"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/timens"
	"github.com/checkpoint-restore/go-criu/v8/crit/images/tty"
)

// TestBothWays sends a message with every field set from Google's library to
// this package and back.
func TestBothWays(t *testing.T) {
	for _, c := range []struct {
		theirs proto.Message
		ours   interface {
			MarshalVT() ([]byte, error)
			UnmarshalVT([]byte) error
		}
	}{
		{&cgroup.CgroupEntry{}, &CgroupEntry{}}, {&criu_core.CoreEntry{}, &CoreEntry{}}, {&criu_core.TaskKobjIdsEntry{}, &TaskKobjIdsEntry{}},
		{&fdinfo.FileEntry{}, &FileEntry{}}, {&fdinfo.FdinfoEntry{}, &FdinfoEntry{}}, {&file_lock.FileLockEntry{}, &FileLockEntry{}},
		{&fs.FsEntry{}, &FsEntry{}}, {&ghost_file.GhostFileEntry{}, &GhostFileEntry{}}, {&inventory.InventoryEntry{}, &InventoryEntry{}},
		{&memfd.MemfdInodeEntry{}, &MemfdInodeEntry{}}, {&mm.MmEntry{}, &MmEntry{}}, {&pagemap.PagemapEntry{}, &PagemapEntry{}},
		{&pagemap.PagemapHead{}, &PagemapHead{}}, {&pipe_data.PipeDataEntry{}, &PipeDataEntry{}}, {&pstree.PstreeEntry{}, &PstreeEntry{}},
		{&remap_file_path.RemapFilePathEntry{}, &RemapFilePathEntry{}}, {&seccomp.SeccompEntry{}, &SeccompEntry{}},
		{&sk_packet.SkPacketEntry{}, &SkPacketEntry{}}, {&stats.StatsEntry{}, &StatsEntry{}}, {&tcp_stream.TcpStreamEntry{}, &TcpStreamEntry{}},
		{&timens.TimensEntry{}, &TimensEntry{}}, {&tty.TtyFileEntry{}, &TtyFileEntry{}}, {&tty.TtyInfoEntry{}, &TtyInfoEntry{}},
	} {
		m := c.theirs.ProtoReflect()
		t.Run(string(m.Descriptor().Name()), func(t *testing.T) {
			n := uint64(1)
			fill(m, &n, 6)
			sent, err := proto.Marshal(c.theirs)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.ours.UnmarshalVT(sent); err != nil {
				t.Fatal(err)
			}
			back, err := c.ours.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			got := m.New().Interface()
			if err := proto.Unmarshal(back, got); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(c.theirs, got) {
				t.Fatalf("sent %v\n got %v", c.theirs, got)
			}
		})
	}
}

// fill sets every field, to another value each.
func fill(m protoreflect.Message, n *uint64, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		isMessage := f.Kind() == protoreflect.MessageKind
		if isMessage && (depth == 0 && f.Cardinality() != protoreflect.Required) {
			continue
		}
		if f.IsList() {
			l := m.Mutable(f).List()
			for range 2 {
				if isMessage {
					e := l.NewElement()
					fill(e.Message(), n, depth-1)
					l.Append(e)
				} else {
					l.Append(scalar(f, n))
				}
			}
		} else if isMessage {
			fill(m.Mutable(f).Message(), n, max(depth-1, 0))
		} else {
			m.Set(f, scalar(f, n))
		}
	}
}

func scalar(f protoreflect.FieldDescriptor, n *uint64) protoreflect.Value {
	*n = *n*0x9e3779b97f4a7c15 + 1
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(*n&1 == 0)
	case protoreflect.EnumKind:
		v := f.Enum().Values()
		return protoreflect.ValueOfEnum(v.Get(int(*n % uint64(v.Len()))).Number())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.Repeat("s", int(*n%9)))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{byte(*n), 0, 255})
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(*n))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(*n))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(*n))
	default:
		return protoreflect.ValueOfUint64(*n)
	}
}
