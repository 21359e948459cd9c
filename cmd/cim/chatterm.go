//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is the line to a person's screen and keys: its modes, and its size.
type terminal struct {
	in, out *os.File
	restore func() // puts its modes back, for good

	signalCh chan os.Signal // those that monitorSignals is told of

	mu     sync.Mutex
	before *unix.Termios // guarded by mu; its modes before raw; nil: they were not changed
}

// openTerminal returns nil where input and output are not a terminal that a line can be edited on.
func openTerminal(io streams) *terminal {
	if !isTerminal(io.in) || !isTerminal(io.out) || !movesCursor(os.Getenv("TERM")) {
		return nil
	}
	t := &terminal{in: io.in.(*os.File), out: io.out.(*os.File), signalCh: make(chan os.Signal, signalsAtOnce)}
	t.restore = sync.OnceFunc(t.cooked)
	return t
}

// cooked puts the modes back.
func (t *terminal) cooked() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.before != nil {
		_ = unix.IoctlSetTermios(int(t.in.Fd()), setTermios, t.before) // the terminal is gone, or it works
		t.before = nil
	}
}

// raw makes each key arrive at once, and not be shown. Ctrl-C stays a signal: it has to work while nobody
// reads keys because too many lines wait to be sent. Ctrl-Z is a key, see suspend. Ctrl-\ does nothing: it would
// leave the terminal as it is.
func (t *terminal) raw() error {
	t.mu.Lock()
	defer t.mu.Unlock()
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
	if t.before == nil {
		t.before = before
	}
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

// watch has the signals wait for monitorSignals that would end the program without putting the terminal back. It is
// called before the modes are changed, and unwatch after they are put back.
func (t *terminal) watch() {
	signal.Notify(t.signalCh, syscall.SIGWINCH, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGCONT)
}

func (t *terminal) unwatch() { signal.Stop(t.signalCh) }

// monitorSignals draws the line anew when the size has changed and when the program goes on after a stop, and
// tells of the signals that are to end the program, until ctx ends.
func (t *terminal) monitorSignals(ctx context.Context, c *console, end func()) {
	for {
		select {
		case s := <-t.signalCh:
			switch s {
			case syscall.SIGWINCH:
				c.resized()
			case syscall.SIGCONT: // the shell may have changed the modes
				t.goOn(c)
			default:
				end()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// signalsAtOnce may wait; one that finds no room is lost, and it could be the one to end for.
const signalsAtOnce = 16

// stopTime is how long a stop may take to come.
const stopTime = 100 * time.Millisecond

// suspend gives the terminal back and stops the process with its group, as Ctrl-Z does elsewhere. It returns when
// a shell lets it go on, or at once where none could: then the kernel drops the signal.
//
// SIGTSTP is never caught: signal.Reset would not bring back what the kernel does about it.
func (t *terminal) suspend(c *console) {
	c.hide()
	t.cooked()
	_ = syscall.Kill(0, syscall.SIGTSTP) // there is such a group: our own
	<-time.After(stopTime)
	t.goOn(c)
}

// goOn takes the terminal again. It may be called more than once.
func (t *terminal) goOn(c *console) {
	_ = t.raw() // the terminal is gone, or it works
	c.reveal()
}
