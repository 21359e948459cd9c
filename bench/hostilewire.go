package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"google.golang.org/protobuf/proto"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// frameReader reads frame by frame from a connection that blocks.
type frameReader struct {
	r     io.Reader
	buf   []byte
	taken int // bytes of buf whose frames have been handed out
}

// next returns the payload of the next frame, which is good until the call after. Errors: those of the
// connection and of frame.Next.
func (f *frameReader) next() ([]byte, error) {
	for {
		payload, n, err := frame.Next(f.buf[f.taken:], frameLimit)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			f.taken += n
			return payload, nil
		}
		if err := f.fill(); err != nil {
			return nil, err
		}
	}
}

func (f *frameReader) fill() error {
	rest := copy(f.buf, f.buf[f.taken:])
	f.buf, f.taken = f.buf[:rest], 0
	if rest == cap(f.buf) {
		f.buf = append(make([]byte, 0, max(4<<10, 2*rest)), f.buf...)
	}
	n, err := f.r.Read(f.buf[rest:cap(f.buf)])
	f.buf = f.buf[:rest+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// toldError is what a server says before it ends a connection.
type toldError struct{ code cimpb.Code }

func (e toldError) Error() string { return "the server said " + codeReason(e.code) }

// endReason names why an honest connection ended.
func endReason(err error) string {
	var told toldError
	var refused *refusedError
	switch {
	case errors.As(err, &told):
		return codeReason(told.code)
	case errors.As(err, &refused):
		return loginReason(err)
	case errors.Is(err, io.EOF):
		return reasonEOF
	}
	return netReason(err)
}

// netReason names what a connection failed with.
func netReason(err error) string {
	var netError net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return reasonRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return reasonReset
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EADDRINUSE):
		return reasonNoPort
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return reasonNoFiles
	case errors.As(err, &netError) && netError.Timeout():
		return "no_answer"
	}
	return "error"
}

// session is a connection after its WELCOME.
type session struct {
	net.Conn
	frames  *frameReader
	welcome *cimpb.Welcome
}

// greet says LOGIN and waits for WELCOME, as long as the connection's deadline lets it.
// Errors: toldError; those of the connection.
func greet(conn net.Conn, user int64, ticket string) (*session, error) {
	login, err := frame.AppendFrame(nil, helloFrame(user, ticket, uint32(defaultHeartbeat.Milliseconds())))
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(login); err != nil {
		return nil, err
	}
	s := &session{Conn: conn, frames: &frameReader{r: conn}}
	for {
		payload, err := s.frames.next()
		if err != nil {
			return nil, err
		}
		var f cimpb.Frame
		if err := proto.Unmarshal(payload, &f); err != nil {
			return nil, fmt.Errorf("read a frame: %w", err)
		}
		if err := told(f.GetCmd(), cimpb.Code(f.GetStatus().GetCode())); err != nil {
			return nil, err
		}
		if f.GetCmd() == cimpb.Command_WELCOME {
			s.welcome = f.GetWelcome()
			return s, nil
		}
	}
}

// told is the error of a frame after which a server closes.
func told(cmd cimpb.Command, code cimpb.Code) error {
	switch cmd {
	case cimpb.Command_ERROR, cimpb.Command_KICK, cimpb.Command_MOVE:
		return toldError{code}
	}
	return nil
}

// codeOf reads the code of a status that the generated code has not read.
func codeOf(status []byte) cimpb.Code {
	var st cimpb.Status
	if err := proto.Unmarshal(status, &st); err != nil {
		return 0
	}
	return cimpb.Code(st.GetCode())
}
