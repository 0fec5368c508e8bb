package dump

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The actions at which criu runs its scripts during a dump of a host process.
const (
	actionPreDump  = "pre-dump"
	actionPostDump = "post-dump"
)

// ScriptError is an action script that exited with a code other than 0. After
// a post-dump script's refusal the images are complete and the target runs on.
type ScriptError struct {
	Path, Action string
	Code         int
}

func (e *ScriptError) Error() string {
	return fmt.Sprintf("action script %s exited with %d at %s", e.Path, e.Code, e.Action)
}

// runScripts runs every --action-script with criu's environment:
// CRTOOLS_SCRIPT_ACTION, CRTOOLS_IMAGE_DIR and CRTOOLS_INIT_PID, in the work directory.
func (o *Options) runScripts(ctx context.Context, action string) error {
	images, err := filepath.Abs(o.ImagesDir)
	if err != nil {
		return fmt.Errorf("images directory: %w", err)
	}
	for _, path := range o.ActionScripts {
		name := path
		if abs, err := filepath.Abs(path); err == nil && strings.Contains(path, "/") {
			name = abs // relative to where fastcr was started, not to where it runs
		}
		cmd := exec.CommandContext(ctx, name)
		cmd.Dir = o.WorkDir
		cmd.Env = append(os.Environ(),
			"CRTOOLS_SCRIPT_ACTION="+action,
			"CRTOOLS_IMAGE_DIR="+images,
			"CRTOOLS_INIT_PID="+strconv.Itoa(o.PID))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		err := cmd.Run()
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("action script %s at %s: %w", path, action, context.Cause(ctx))
		case errors.As(err, &exit):
			return &ScriptError{Path: path, Action: action, Code: exit.ExitCode()}
		case err != nil:
			return fmt.Errorf("action script %s at %s: %w", path, action, err)
		}
	}
	return nil
}
