package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// errInputEnded is why a worker stops before it was told to: its parent wants so, or is gone.
var errInputEnded = errors.New("bench: the worker's input has ended")

// Work is a worker process: it reads its job and its commands from in, holds its connections, and writes
// what it saw to out. It returns when in has ended: the parent closes it when it has the result, or to stop
// the worker early. So a worker outlives no parent.
// Errors: ErrWorker when in does not begin with a job; ErrUnsupported; those of the loop.
func Work(ctx context.Context, in io.Reader, out io.Writer) error {
	commands := json.NewDecoder(in)
	var first command
	if err := commands.Decode(&first); err != nil || first.Job == nil {
		return fmt.Errorf("%w: no job on its input; it is started by other commands, not by hand", ErrWorker)
	}
	notices := json.NewEncoder(out)
	notify := func(n notice) error { return notices.Encode(n) }
	trust, err := first.Job.TLS.config()
	if err != nil {
		return errors.Join(err, notify(notice{Kind: noticeResult, Error: err.Error()}))
	}
	s, err := newSwarm(*first.Job, notify)
	if err != nil {
		return errors.Join(err, notify(notice{Kind: noticeResult, Error: err.Error()}))
	}
	return work(ctx, s, newLogins(first.Job, trust, func(r loginResult) { s.post(mail{login: &r}) }), commands, notify)
}

// work runs the loop and the two goroutines that feed it, the logins and the reader of commands, and waits
// for both.
func work(ctx context.Context, s *swarm, l *logins, commands *json.Decoder, notify func(notice) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var logins, reader sync.WaitGroup
	logins.Go(func() { l.run(ctx) })
	reader.Go(func() {
		readCommands(commands, s.post)
		cancel(errInputEnded)
	})
	err := s.run(ctx)
	switch {
	case errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errInputEnded):
		err = nil
	case err != nil:
		err = errors.Join(err, notify(notice{Kind: noticeResult, Error: err.Error()}))
	}
	cancel(err)
	logins.Wait()
	reader.Wait()
	return err
}

// readCommands returns when the input ends, or is no longer what a parent writes.
func readCommands(commands *json.Decoder, post func(mail)) {
	for {
		c := new(command)
		if err := commands.Decode(c); err != nil {
			return
		}
		post(mail{command: c})
	}
}
