package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"time"
)

// plainRequest bounds what is read of a request that came without TLS, so that its answer is not lost to a reset.
const (
	plainRequestBytes = 64 << 10
	plainRequestTime  = time.Second
)

const plainAnswer = `{"error":{"code":"bad_request","message":"This port speaks TLS: begin the URL with https://."}}` + "\n"

// tlsListener speaks TLS, and tells who speaks HTTP without it what to do.
type tlsListener struct {
	net.Listener
	config *tls.Config
}

func (l *tlsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tlsHTTPConn{tls.Server(c, l.config)}, nil
}

type tlsHTTPConn struct{ *tls.Conn }

func (c *tlsHTTPConn) Handshake() error {
	err := c.Conn.Handshake()
	answerPlain(err)
	return err
}

func (c *tlsHTTPConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	answerPlain(err)
	return n, err
}

// answerPlain answers a request that came without TLS. crypto/tls gives the connection with that error, once.
func answerPlain(err error) {
	e, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || e.Conn == nil || !beginsHTTP(e.RecordHeader) {
		return
	}
	_ = e.Conn.SetDeadline(time.Now().Add(plainRequestTime))
	_, err = io.WriteString(e.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "+
		strconv.Itoa(len(plainAnswer))+"\r\n\r\n"+plainAnswer)
	if c, ok := e.Conn.(interface{ CloseWrite() error }); ok && err == nil && c.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, e.Conn, plainRequestBytes)
	}
}

func beginsHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "POST ", "PUT /", "HEAD ", "DELET", "OPTIO", "PATCH":
		return true
	}
	return false
}
