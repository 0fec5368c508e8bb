// Package restore checks images and has the installed criu restore them.
//
// criu is run as a command, not through its RPC: criu takes the terminal of a shell job from
// its standard input, and RPC has no field for --pidfile, --action-script,
// --file-validation, --libdir and --exec-cmd's terminal. So everything that a criu restores,
// also a newer one, can be asked for here.
//
// criu itself stays in the foreground as the program's parent, but ends with 0 however the
// program ended. Here the program becomes the caller's own child (criu's --restore-sibling),
// so its exit status is known.
package restore
