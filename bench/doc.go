// Package bench measures checkpoint downtime: how long a program stands still while
// it is checkpointed, what the program itself sees of that, and whether it comes
// back right. Dumpers are commands, run in turn on the same process (A B A B …).
//
//	Workload ── Start ──> Target ── Dumper.Dump ──> Sample ──> Results ──> Table, Report, Compare
package bench
