package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// serve waits until ctx ends or the node cannot go on, and stops it.
func (n *node) serve(ctx context.Context, out io.Writer, within time.Duration) (err error) {
	select {
	case <-ctx.Done():
		fmt.Fprintf(out, "stopping; %s at most\n", within)
	case err = <-n.failedCh:
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	if err = errors.Join(err, n.Close(stopCtx)); err == nil {
		fmt.Fprintln(out, "stopped")
	}
	return err
}

// moveClients sends the clients of a server of a cluster to others, over the time that was set for it. Who has not gone by
// then is told so by the stop. The server stays listed meanwhile: it is there that the others find who has not gone yet, and
// that they end the session of who has. It refuses new users itself.
func (n *node) moveClients(ctx context.Context) {
	if n.server == nil || n.drain <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, n.drain+drainGrace)
	defer cancel()
	if err := n.server.Drain(ctx, n.drain); err != nil {
		n.log.Warn("not all clients have moved", "left", n.server.Sessions(), "err", err)
	}
}

// Close stops in the opposite order: no new clients, no new requests, sessions told, store last. It may
// be called on a node that only half started.
func (n *node) Close(ctx context.Context) error {
	var errs []error
	if n.leave != nil {
		n.moveClients(ctx)
		n.leave()
	}
	if n.stopMonitors != nil { // not before: a changed secret counts while clients move
		n.stopMonitors()
	}
	if n.api != nil {
		errs = append(errs, n.api.Shutdown(ctx))
	}
	if n.side != nil {
		errs = append(errs, n.side.Shutdown(ctx))
	}
	if n.server != nil {
		errs = append(errs, n.server.Stop(ctx))
	}
	n.wg.Wait()
	for _, closeIt := range slices.Backward(n.closers) {
		errs = append(errs, closeIt())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	return errors.Join(errs...)
}
