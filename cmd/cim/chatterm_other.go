//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package main

import "context"

// terminal is not known on this system: chat works by whole lines.
type terminal struct{ restore func() }

func openTerminal(streams) *terminal { return nil }

func (*terminal) raw() error { return nil }

func (*terminal) size() (columns, rows int) { return 80, 24 }

func (*terminal) suspend(*console) {}

func (*terminal) watch() {}

func (*terminal) unwatch() {}

func (*terminal) monitorSignals(ctx context.Context, _ *console, _ func()) { <-ctx.Done() }
