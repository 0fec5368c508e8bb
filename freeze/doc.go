// Package freeze holds a process tree still with the cgroup v2 freezer.
//
// A frozen cgroup stays frozen when the freezer dies, so a guardian process
// watches fastcr: however fastcr ends, the guardian thaws the tree, moves its
// tasks back and removes the temporary cgroup.
package freeze
