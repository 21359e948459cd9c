//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is the line to a person's screen and keys: its modes, and its size.
type terminal struct {
	in, out *os.File
	before  *unix.Termios // its modes when the program began; nil: they were not changed
	restore func()        // puts them back, once
}

// openTerminal returns nil where input and output are not a terminal that a line can be edited on.
func openTerminal(io streams) *terminal {
	if !isTerminal(io.in) || !isTerminal(io.out) || !movesCursor(os.Getenv("TERM")) {
		return nil
	}
	t := &terminal{in: io.in.(*os.File), out: io.out.(*os.File)}
	t.restore = sync.OnceFunc(func() {
		if t.before != nil {
			_ = unix.IoctlSetTermios(int(t.in.Fd()), setTermios, t.before) // the terminal is gone, or it works
		}
	})
	return t
}

// raw makes each key arrive at once, and not be shown. Ctrl-C stays a signal: it has to work while nobody
// reads keys because too many lines wait to be sent. Ctrl-Z and Ctrl-\ do nothing: they would leave the
// terminal as it is.
func (t *terminal) raw() error {
	fd := int(t.in.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return err
	}
	raw := *before
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	raw.Cc[unix.VQUIT], raw.Cc[unix.VSUSP] = noKey, noKey
	t.before = before
	return unix.IoctlSetTermios(fd, setTermios, &raw)
}

// size is asked for each time that something is drawn; a terminal that does not say has 80 by 24.
func (t *terminal) size() (columns, rows int) {
	columns, rows, err := term.GetSize(int(t.out.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return columns, rows
}

// monitorSignals tells of a new size, and of the signals that would end the program without putting the
// terminal back, until ctx ends.
func (t *terminal) monitorSignals(ctx context.Context, resized, end func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGWINCH, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(ch)
	for {
		select {
		case s := <-ch:
			if s != syscall.SIGWINCH {
				end()
				return
			}
			resized()
		case <-ctx.Done():
			return
		}
	}
}
