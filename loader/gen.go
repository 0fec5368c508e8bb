package loader

//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -type thread_rec -type thread_siginfo -type thread_groups -type thread_seccomp -type thread_place -output-stem thread thread ../bpf/thread.bpf.c -- -I../bpf -O2 -g -Wall -Werror
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -type path_info -type process_rec -type process_path -type process_siginfo -type process_timer -type process_place -type process_itimer -output-stem process process ../bpf/process.bpf.c -- -I../bpf -O2 -g -Wall -Werror
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -type vma_rec -type vma_file -output-stem vma vma ../bpf/vma.bpf.c -- -I../bpf -O2 -g -Wall -Werror
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -type file_rec -type file_pipe -type file_tty -type file_tty_data -type file_counter -type file_timer -type file_memfd -type file_socket -type file_unix -type file_message -type file_pidfd -type file_netlink -type file_fanotify -type unix_path -type file_watch -type file_mark -type file_lock_rec -type file_more -type file_place -type file_inet -type file_packet -type file_member -type packet_ring -output-stem file file ../bpf/file.bpf.c -- -I../bpf -O2 -g -Wall -Werror
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -type lock_key -output-stem netlock netlock ../bpf/netlock.bpf.c -- -I../bpf -O2 -g -Wall -Werror
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -output-stem netlock_cgroup netlockCgroup ../bpf/netlock_cgroup.bpf.c -- -I../bpf -O2 -g -Wall -Werror
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -type tcp_rec -output-stem tcp tcp ../bpf/tcp.bpf.c -- -I../bpf -O2 -g -Wall -Werror
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64 -type aio_rec -type aio_place -output-stem aio aio ../bpf/aio.bpf.c -- -I../bpf -O2 -g -Wall -Werror
