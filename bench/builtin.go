package bench

import (
	"context"
	"os/exec"
	"slices"
)

// BuiltIn are the dumpers that the suite knows by itself; criu may be empty.
func BuiltIn(ctx context.Context, fastcr, criu string) []Dumper {
	modes := fastcrModes(fastcr)
	all := slices.Concat(modes[:1], criuModes(ctx, criu), modes[1:])
	for i := range all {
		if criu != "" {
			all[i].Restore = []string{criu, "restore", "--images-dir", "{dir}", "--restore-detached"}
		}
	}
	return all
}

// fastcrModes are fastcr and, on the sweeps that show a difference, what its options make of it.
func fastcrModes(program string) []Dumper {
	plain := Dumper{Name: "fastcr", Frozen: "json:frozen_us", About: "its defaults",
		Dump: []string{program, "dump", "--json", "--pid", "{pid}", "-R", "-D", "{dir}"},
		Kill: []string{program, "dump", "--json", "--pid", "{pid}", "-D", "{dir}"},
	}
	mode := func(name, about string, sweeps []string, options ...string) Dumper {
		d := plain
		d.Name, d.About, d.Sweeps = "fastcr-"+name, about, sweeps
		d.Dump, d.Kill = slices.Concat(d.Dump, options), slices.Concat(d.Kill, options)
		return d
	}
	first := mode("first-run", "no BPF program is pinned yet: it loads them (takes those of every fastcr away)", []string{"small", "everything"})
	first.Before = []string{"sh", "-c", "while umount -l /run/fastcr/bpf; do :; done 2>/dev/null || :"}
	mends := mode("restart-calls", "mends calls that the freeze interrupts", []string{"calls that a freeze interrupts"})
	mends.Dump = append(mends.Dump, "--restart-calls") // goes with -R
	return []Dumper{
		plain, first, mends,
		mode("workers-1", "one thread copies", []string{"memory"}, "--workers", "1"),
		mode("memory-limit-64M", "pages beyond 64 MiB stream to the images while it is frozen", []string{"memory"}, "--memory-limit", "64M"),
		mode("nftables", "holds packets with nftables instead of BPF", []string{"open files, ten kinds", serversSweep}, "--network-lock", "nftables"),
	}
}

func criuModes(ctx context.Context, program string) []Dumper {
	plain := Dumper{Name: "criu", Frozen: "criu", About: "its defaults",
		Dump: []string{program, "dump", "--tree", "{pid}", "--leave-running", "--images-dir", "{dir}"},
		Kill: []string{program, "dump", "--tree", "{pid}", "--images-dir", "{dir}"},
	}
	grouped := plain
	grouped.Name, grouped.Cgroup, grouped.About = "criu-freeze-cgroup", "--freeze-cgroup", "freezes by cgroup, not by ptrace"
	pre := plain
	pre.Name, pre.About = "criu-pre-dump", "after a pre-dump, which is not measured"
	pre.Before = []string{program, "pre-dump", "--tree", "{pid}", "--images-dir", "{dir}/" + preDir, "--track-mem"}
	pre.Dump = slices.Concat(pre.Dump, []string{"--prev-images-dir", preDir, "--track-mem"})
	pre.Kill = slices.Concat(pre.Kill, []string{"--prev-images-dir", preDir, "--track-mem"})
	all := []Dumper{plain, grouped, pre}
	for i := range all {
		if program == "" {
			all[i].Impossible = notPossible + ": criu was not found"
		}
	}
	if program != "" && exec.CommandContext(ctx, program, "check", "--feature", "mem_dirty_track").Run() != nil {
		all[2].Impossible = notPossible + ": no soft-dirty"
	}
	return all
}
