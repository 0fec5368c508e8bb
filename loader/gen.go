package loader

//go:generate go tool bpf2go -cc clang -strip llvm-strip -target amd64 -type thread_rec -output-stem thread thread ../bpf/thread.bpf.c -- -I../bpf -O2 -g -Wall -Werror
//go:generate go tool bpf2go -cc clang -strip llvm-strip -target amd64 -output-stem process process ../bpf/process.bpf.c -- -I../bpf -O2 -g -Wall -Werror
//go:generate go tool bpf2go -cc clang -strip llvm-strip -target amd64 -output-stem vma vma ../bpf/vma.bpf.c -- -I../bpf -O2 -g -Wall -Werror
//go:generate go tool bpf2go -cc clang -strip llvm-strip -target amd64 -output-stem file file ../bpf/file.bpf.c -- -I../bpf -O2 -g -Wall -Werror
