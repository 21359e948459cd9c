package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"time"
)

// killAfter is how long a child has to end by itself when its input has ended.
const killAfter = 5 * time.Second

// child is a process of this program that another one has started. They say JSON to each other over its input and output.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

// startChild starts a process, which converse has to be called for. When ctx ends, its input does, and so it ends; only
// one that hangs is killed.
func startChild(ctx context.Context, command []string, stderr io.Writer) (*child, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Cancel, cmd.WaitDelay = in.Close, killAfter
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{cmd, in, out}, nil
}

// converse tells a child its job and passes on what it says until it has ended. It returns why, if that was not well.
func converse[T any](c *child, job any, heard func(T)) error {
	err := json.NewEncoder(c.in).Encode(job)
	for said := json.NewDecoder(c.out); err == nil; {
		var t T
		if err = said.Decode(&t); err == nil {
			heard(t)
		}
	}
	_ = c.in.Close()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, c.cmd.Wait())
}
