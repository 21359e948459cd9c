package route

import (
	"context"
	"errors"
)

// errSlowServer is a server that has not answered yet, and may.
var errSlowServer = errors.New("the server is slow")

// patiently calls a server and gives it Config.PushPatience to answer, once: whoever else is in the delivery must not
// wait for it again. Errors: errSlowServer, and those of ask.
func (d *delivery) patiently(ctx context.Context, instance string, ask func(context.Context) error) error {
	d.mu.Lock()
	patience := d.cfg.PushPatience
	if d.slow[instance] {
		patience = 0
	}
	d.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := ask(limited)
	if limited.Err() == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.slow == nil {
		d.slow = make(map[string]bool)
	}
	d.slow[instance] = true
	return errSlowServer
}
