package netcore_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"cim/netcore"
	"cim/netcore/frame"
	cimpb "cim/proto"
)

// hallway is an IM of its own: whoever connects is who they say, and messages reach those who are connected.
type hallway struct {
	server *netcore.Server
	epoch  atomic.Uint64
}

func (h *hallway) Claim(_ context.Context, claims []netcore.Claim) []netcore.ClaimResult {
	results := make([]netcore.ClaimResult, len(claims))
	for i, c := range claims {
		results[i] = netcore.ClaimResult{User: c.User, Name: c.Name, Epoch: h.epoch.Add(1)}
	}
	return results
}

func (h *hallway) Deliver(ctx context.Context, sends []netcore.Send) []netcore.SendResult {
	results := make([]netcore.SendResult, len(sends))
	for i, s := range sends {
		results[i].Code = cimpb.CodeOffline
		pushed, err := h.server.Push(ctx, []netcore.Push{{User: s.To, Body: s.Body}})
		if err == nil && pushed[0] == netcore.PushWritten {
			results[i].Code = cimpb.CodeWritten
		}
	}
	return results
}

func (h *hallway) Renew(_ context.Context, refs []netcore.RenewRef) []netcore.RenewResult {
	return make([]netcore.RenewResult, len(refs)) // all are kept
}

func (h *hallway) Release(context.Context, []netcore.SessionRef) {}
func (h *hallway) Acknowledge(context.Context, []netcore.Ack)    {}
func (h *hallway) Backlog(context.Context, int64, netcore.Cursor, int, int) (netcore.Backlog, error) {
	return netcore.Backlog{}, nil // nothing is stored
}

// Compose an IM from netcore: a Backend decides who may come in and where messages go.
func Example() {
	h := &hallway{}
	server, err := netcore.New(netcore.Config{Listen: "127.0.0.1:0", Instance: "hallway", Backend: h, MaxConns: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	h.server = server
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer server.Stop(context.Background())

	alice, bob := enter(server, 1, "alice"), enter(server, 2, "bob")
	alice.say(2, "hello, bob")
	fmt.Println(bob.hear())
	fmt.Println(alice.hear())
	alice.say(3, "is anybody there?")
	fmt.Println(alice.hear())
	// Output:
	// alice: hello, bob
	// Handed to the receiver's connection.
	// The receiver is not connected; send with QoS 1 to have it stored.
}

// visitor is the least that a client can be.
type visitor struct {
	conn net.Conn
	in   *bufio.Reader
}

func enter(s *netcore.Server, user int64, name string) *visitor {
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		panic(err)
	}
	v := &visitor{conn, bufio.NewReader(conn)}
	login, err := frame.AppendFrame(nil, &cimpb.Frame{UserId: user, Text: name, Hello: &cimpb.Hello{Version: 1, Device: "door"}})
	if err != nil {
		panic(err)
	}
	v.conn.Write(login)
	v.hear() // WELCOME
	return v
}

func (v *visitor) say(to int64, text string) {
	v.conn.Write(frame.AppendSend(nil, &frame.Send{To: frame.TargetUser, ToID: to, Text: []byte(text), ClientMsgID: 1}))
}

func (v *visitor) hear() string {
	size, err := binary.ReadUvarint(v.in)
	if err != nil {
		return err.Error()
	}
	payload := make([]byte, size)
	var f cimpb.Frame
	if _, err := io.ReadFull(v.in, payload); err != nil {
		return err.Error()
	}
	if err := proto.Unmarshal(payload, &f); err != nil {
		return err.Error()
	}
	if f.GetCmd() == cimpb.Command_SENT {
		return cimpb.Code(f.GetStatus().GetCode()).Sentence()
	}
	return f.GetFromName() + ": " + f.GetText()
}
