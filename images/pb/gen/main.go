// Command gen writes package pb: CRIU's messages with code that encodes them
// without reflection. It takes their descriptors from go-criu and hands them to
// protoc-gen-go-lite, so that fastcr holds no other definition of them.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/cgroup"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/criu-core"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/fdinfo"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/file-lock"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/fs"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/ghost-file"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/inventory"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/memfd"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/mm"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/pagemap"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/pipe-data"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/pstree"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/remap-file-path"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/seccomp"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/sk-packet"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/stats"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/tcp-stream"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/timens"
	_ "github.com/checkpoint-restore/go-criu/v8/crit/images/tty"
)

// roots are the files of the images that fastcr writes. What they import comes with them.
var roots = []string{
	"cgroup", "criu-core", "fdinfo", "file-lock", "fs", "ghost-file", "inventory", "memfd", "mm", "pagemap", "pipe-data",
	"pstree", "remap-file-path", "seccomp", "sk-packet", "stats", "tcp-stream", "timens", "tty",
}

// left are files of architectures that fastcr does not run on, and of options that
// only crit reads; fields of their types are left out.
var left = map[string]bool{
	"core-aarch64.proto": true, "core-arm.proto": true, "core-loongarch64.proto": true, "core-mips.proto": true,
	"core-ppc64.proto": true, "core-riscv64.proto": true, "core-s390.proto": true,
	"opts.proto": true, "google/protobuf/descriptor.proto": true,
}

const (
	goPackage = "github.com/fastcr/fastcr/images/pb"
	features  = "marshal+unmarshal+size"
)

func main() {
	if err := generate(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// generate writes a Go file for each .proto into the current directory.
func generate() error {
	req := &pluginpb.CodeGeneratorRequest{Parameter: proto.String("features=" + features)}
	seen := map[string]bool{}
	for _, name := range roots {
		f, err := protoregistry.GlobalFiles.FindFileByPath(name + ".proto")
		if err != nil {
			return err
		}
		add(req, f, seen)
	}
	res, err := runPlugin(req)
	if err != nil {
		return err
	}
	for _, f := range res.File {
		name := f.GetName()[strings.LastIndexByte(f.GetName(), '/')+1:]
		if err := os.WriteFile(name, []byte(f.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// add appends a file behind those that it imports.
func add(req *pluginpb.CodeGeneratorRequest, f protoreflect.FileDescriptor, seen map[string]bool) {
	if seen[f.Path()] || left[f.Path()] {
		return
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		add(req, f.Imports().Get(i).FileDescriptor, seen)
	}
	d := protodesc.ToFileDescriptorProto(f)
	trim(d)
	req.ProtoFile = append(req.ProtoFile, d)
	req.FileToGenerate = append(req.FileToGenerate, f.Path())
}

// trim leaves out what is not needed here and names the Go package.
func trim(d *descriptorpb.FileDescriptorProto) {
	d.Options = &descriptorpb.FileOptions{GoPackage: proto.String(goPackage)}
	var imports []string
	for _, name := range d.Dependency {
		if !left[name] {
			imports = append(imports, name)
		}
	}
	d.Dependency, d.PublicDependency, d.WeakDependency = imports, nil, nil
	for _, m := range d.MessageType {
		trimMessage(m)
	}
}

func trimMessage(m *descriptorpb.DescriptorProto) {
	var fields []*descriptorpb.FieldDescriptorProto
	for _, f := range m.Field {
		if !isLeft(f.GetTypeName()) {
			f.Options = nil // crit's, how to show it
			fields = append(fields, f)
		}
	}
	m.Field = fields
	for _, n := range m.NestedType {
		trimMessage(n)
	}
}

// isLeft tells whether a type is defined in a file that is left out.
func isLeft(typeName string) bool {
	if typeName == "" {
		return false
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.TrimPrefix(typeName, ".")))
	return err == nil && left[d.ParentFile().Path()]
}

func runPlugin(req *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	in, err := proto.Marshal(req)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "tool", "protoc-gen-go-lite")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("protoc-gen-go-lite: %w", err)
	}
	res := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(out, res); err != nil {
		return nil, fmt.Errorf("protoc-gen-go-lite: %w", err)
	}
	if res.GetError() != "" {
		return nil, fmt.Errorf("protoc-gen-go-lite: %s", res.GetError())
	}
	return res, nil
}
