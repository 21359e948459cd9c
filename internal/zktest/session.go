package zktest

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// What follows is the little of ZooKeeper's wire format (zookeeper.jute: ConnectRequest, ConnectResponse,
// RequestHeader) that takes over a session and closes it.
const (
	opCloseSession = -11
	maxPacket      = 1 << 20
)

var errUnexpected = errors.New("zktest: the server does not know the session")

// session is what a client needs to resume a session.
type session struct {
	id       int64
	password []byte
}

// end resumes the session in a connection of its own, closes it, and sees that it is gone. The session's own client
// may come in between and break that off, so there is more than one try.
func (s session) end(addr string) error {
	var err error
	for try := range 10 {
		if err = s.close(addr); errors.Is(err, errUnexpected) {
			if try > 0 {
				return nil // an earlier try has done it
			}
			return err
		}
	}
	return cmp.Or(err, errUnexpected)
}

func (s session) close(addr string) error {
	c, got, err := s.connect(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if got.id != s.id {
		return fmt.Errorf("%w: session %#x", errUnexpected, got.id)
	}
	op := int32(opCloseSession)
	header := binary.BigEndian.AppendUint32(nil, 1) // xid
	if err := writePacket(c, binary.BigEndian.AppendUint32(header, uint32(op))); err != nil {
		return err
	}
	_, err = readPacket(c)
	return err
}

// connect resumes the session, or opens a new one when s has no id. The caller closes the connection.
func (s session) connect(addr string) (net.Conn, session, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, session{}, err
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	var answer []byte
	if err = writePacket(c, s.connectRequest()); err == nil {
		answer, err = readPacket(c)
	}
	if err != nil {
		c.Close()
		return nil, session{}, err
	}
	got, _ := parseConnectResponse(answer)
	return c, got, nil
}

func (s session) connectRequest() []byte {
	b := binary.BigEndian.AppendUint32(nil, 0)  // protocol version
	b = binary.BigEndian.AppendUint64(b, 0)     // last zxid seen
	b = binary.BigEndian.AppendUint32(b, 10000) // time-out, ms
	b = binary.BigEndian.AppendUint64(b, uint64(s.id))
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.password)))
	return append(b, s.password...)
}

// parseConnectResponse reads protocol version, time-out, session id and password. An id of 0 refuses.
func parseConnectResponse(b []byte) (session, bool) {
	if len(b) < 20 {
		return session{}, false
	}
	s := session{id: int64(binary.BigEndian.Uint64(b[8:]))}
	n := int(binary.BigEndian.Uint32(b[16:]))
	if s.id == 0 || n > len(b)-20 {
		return session{}, false
	}
	s.password = append(s.password, b[20:20+n]...)
	return s, true
}

func readPacket(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxPacket {
		return nil, fmt.Errorf("zktest: a packet of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

func writePacket(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}
