// Package freeze holds a process tree still with the cgroup v2 freezer.
//
// Prepare, with the tree running, puts its tasks into cgroups that hold nothing
// else: the tree's own cgroup when that holds exactly the tree, temporary
// children of the tasks' own cgroups otherwise, so that limits stay in force.
// It opens every descriptor that the freeze needs. Freeze, Members and Thaw then
// only write and read them, and allocate nothing. Release puts everything back.
//
// A frozen cgroup stays frozen when the freezer dies. So a guardian, a small C
// program (guardian/guardian.c), watches the caller: however that ends, the
// guardian thaws the tree, moves its tasks back and removes the temporary
// cgroups. It is told of a cgroup before the cgroup is made.
//
// Only the v2 hierarchy is touched; v1 controllers of a hybrid machine are not.
package freeze
