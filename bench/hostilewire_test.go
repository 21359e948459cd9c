package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/iotest"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

func TestFrameReader(t *testing.T) {
	large := frame.AppendSend(nil, &frame.Send{To: frame.TargetUser, ToID: 1, Payload: bytes.Repeat([]byte{7}, 30_000)})
	stream := slices.Concat(frame.Ping, large, frame.Ping, frame.Ping[:2])
	for name, r := range map[string]io.Reader{
		"at once": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"with its end": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			f := &frameReader{r: r}
			for i, want := range []int{2, len(large) - 3, 2} {
				payload, err := f.next()
				if err != nil || len(payload) != want {
					t.Fatalf("frame %d: %d bytes, %v; want %d", i, len(payload), err, want)
				}
			}
			if _, err := f.next(); !errors.Is(err, io.EOF) {
				t.Errorf("after the last whole frame: %v", err)
			}
		})
	}
}

func TestFrameReaderRefuses(t *testing.T) {
	f := &frameReader{r: bytes.NewReader([]byte{0})}
	if _, err := f.next(); !errors.Is(err, frame.ErrEmpty) {
		t.Errorf("an empty frame: %v", err)
	}
	f = &frameReader{r: iotest.ErrReader(nil)}
	if _, err := f.next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that does nothing: %v", err)
	}
}

// speaking is a connection whose other side reads one LOGIN and says words.
func speaking(t *testing.T, words ...*cimpb.Frame) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() { // ends with the connection
		defer close(done)
		defer theirs.Close()
		if _, err := (&frameReader{r: theirs}).next(); err != nil {
			return
		}
		for _, w := range words {
			b, err := frame.AppendFrame(nil, w)
			if err != nil {
				t.Error(err)
			}
			if _, err := theirs.Write(b); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		ours.Close()
		<-done
	})
	return ours
}

func TestGreet(t *testing.T) {
	welcome := &cimpb.Frame{Cmd: cimpb.Command_WELCOME, Welcome: &cimpb.Welcome{Instance: "here"}}
	refusal := &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: &cimpb.Status{Code: uint32(cimpb.CodeBusy)}}
	other := &cimpb.Frame{Cmd: cimpb.Command_MESSAGE, Text: "early"}
	for name, tc := range map[string]struct {
		words []*cimpb.Frame
		end   string // empty: welcome
	}{
		"welcome":          {[]*cimpb.Frame{welcome}, ""},
		"something before": {[]*cimpb.Frame{other, welcome}, ""},
		"refused":          {[]*cimpb.Frame{refusal}, cimpb.CodeBusy.String()},
		"closed":           {nil, reasonEOF},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := greet(speaking(t, tc.words...), 7, "ticket")
			switch {
			case tc.end == "" && (err != nil || s.welcome.GetInstance() != "here"):
				t.Errorf("%+v, %v", s, err)
			case tc.end != "" && (err == nil || endReason(err) != tc.end):
				t.Errorf("%v, want %s", err, tc.end)
			}
		})
	}
}

func TestNetReason(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ECONNREFUSED: reasonRefused, syscall.ECONNRESET: reasonReset, syscall.EPIPE: reasonReset,
		syscall.EADDRNOTAVAIL: reasonNoPort, syscall.EMFILE: reasonNoFiles, os.ErrDeadlineExceeded: "no_answer", io.ErrUnexpectedEOF: "error",
	} {
		if got := netReason(fmt.Errorf("dial: %w", err)); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
	for err, want := range map[error]string{
		&refusedError{status: 503, code: "overloaded"}: "login_overloaded", handshakeError{io.EOF}: "tls_handshake", io.EOF: "login_cut_off",
	} {
		if got := attackReason(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}
