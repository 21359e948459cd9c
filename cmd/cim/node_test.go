package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// patience bounds how long a test waits for what must happen. It decides nothing but when a broken test
// ends.
const patience = 20 * time.Second

// testConfig is a whole node on free ports, in memory.
func testConfig(change ...func(*nodeConfig)) nodeConfig {
	cfg := nodeConfig{
		listen: "127.0.0.1:0", http: "127.0.0.1:0", data: ":memory:", idleTimeout: time.Minute,
		maxConns: 1000, httpConns: 100, auth: authCIM, log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

// newTestNode runs a whole node and stops it with the test.
func newTestNode(t *testing.T, change ...func(*nodeConfig)) *node {
	t.Helper()
	n, err := startNode(testConfig(change...))
	if err != nil {
		t.Fatalf("start a node: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			t.Errorf("close the node: %v", err)
		}
	})
	return n
}

// cimAnswer is CIM's envelope.
type cimAnswer struct {
	Code     string          `json:"code"`
	Message  string          `json:"message"`
	DataBody json.RawMessage `json:"dataBody"`
}

// cimHTTP calls CIM's endpoints as its SDK does.
type cimHTTP struct {
	t    *testing.T
	base string
}

func (h cimHTTP) call(method, path, body string) cimAnswer {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.base+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatalf("%s: %v", path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		h.t.Fatalf("%s: HTTP %d, %s, %v", path, resp.StatusCode, text, err)
	}
	var a cimAnswer
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var envelope struct {
		cimAnswer
		ReqNo any `json:"reqNo"`
	}
	if err := dec.Decode(&envelope); err != nil {
		h.t.Fatalf("%s: %s: %v", path, text, err)
	}
	a = envelope.cimAnswer
	return a
}

// post expects a code.
func (h cimHTTP) post(path, body, code string) cimAnswer {
	h.t.Helper()
	a := h.call(http.MethodPost, path, body)
	if a.Code != code {
		h.t.Fatalf("%s %s: code %s (%s), want %s", path, body, a.Code, a.Message, code)
	}
	return a
}

// register returns the id of a name.
func (h cimHTTP) register(name string) int64 {
	h.t.Helper()
	a := h.post("/registerAccount", `{"userName":"`+name+`"}`, "9000")
	var d struct{ UserID int64 }
	if err := json.Unmarshal(a.DataBody, &d); err != nil || d.UserID == 0 {
		h.t.Fatalf("register %s: %s: %v", name, a.DataBody, err)
	}
	return d.UserID
}

// wire is one bare connection to the IM port.
type wire struct {
	t    *testing.T
	conn net.Conn
	buf  []byte
}

func dialWire(t *testing.T, addr string) *wire {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &wire{t: t, conn: conn}
}

func (w *wire) write(b []byte) {
	w.t.Helper()
	if _, err := w.conn.Write(b); err != nil {
		w.t.Fatalf("write: %v", err)
	}
}

func (w *wire) writeFrame(f *cimpb.Frame) {
	w.t.Helper()
	b, err := frame.AppendFrame(nil, f)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(b)
}

// payload reads the bytes of the next frame, or nil when the connection has ended.
func (w *wire) payload() []byte {
	w.t.Helper()
	_ = w.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		payload, n, err := frame.Next(w.buf, 1<<20)
		if err != nil {
			w.t.Fatalf("read a frame: %v", err)
		}
		if n > 0 {
			w.buf = w.buf[n:]
			return payload
		}
		chunk := make([]byte, 4096)
		m, err := w.conn.Read(chunk)
		if err != nil {
			if nerr, ok := err.(net.Error); ok && nerr.Timeout() { //nolint:errorlint // net.Error is what a deadline gives
				w.t.Fatal("no frame came")
			}
			return nil
		}
		w.buf = append(w.buf, chunk[:m]...)
	}
}

// frame reads the next frame.
func (w *wire) frame() *cimpb.Frame {
	w.t.Helper()
	p := w.payload()
	if p == nil {
		w.t.Fatal("the connection ended")
	}
	var f cimpb.Frame
	if err := proto.Unmarshal(p, &f); err != nil {
		w.t.Fatalf("read a frame: %v", err)
	}
	return &f
}

// ended expects the connection to be closed by the server, whatever was said before.
func (w *wire) ended() {
	w.t.Helper()
	for w.payload() != nil {
	}
}
