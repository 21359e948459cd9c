package netcore

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

func raw(payload ...byte) []byte {
	return append(protowire.AppendVarint(nil, uint64(len(payload))), payload...)
}

func TestWhatEndsASession(t *testing.T) {
	cases := []struct {
		name  string
		bytes []byte
		code  cimpb.Code
		why   Reason
	}{
		{"length over the limit", binary.AppendUvarint(nil, defaultMaxFrame+1), cimpb.CodeFrameTooLarge, reasonFrameTooLarge},
		{"length of six bytes", []byte{0x80, 0x80, 0x80, 0x80, 0x80, 1}, cimpb.CodeBadFrame, reasonVarint},
		{"empty frame", raw(), cimpb.CodeBadFrame, reasonEmptyFrame},
		{"text that is not UTF-8", sendFrame(2, 1, "\xff"), cimpb.CodeBadFrame, reasonUTF8},
		{"field that is cut off", raw(0x0a, 5), cimpb.CodeBadFrame, reasonMalformed},
		{"second LOGIN", plainHello(1), cimpb.CodeBadFrame, reasonMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, newFakeBackend())
			peer := join(t, s, 1)
			peer.send(frame.Ping, c.bytes)
			peer.expect(cimpb.Command_PING)
			peer.expectEnd(cimpb.Command_ERROR, c.code)
			expectReason(t, s, c.why, 1)
		})
	}
}

func TestWhatIsNotALogin(t *testing.T) {
	const notTold = 0
	badHello := protowire.AppendBytes(protowire.AppendTag([]byte{0x10, 1}, 6, protowire.BytesType), []byte{0x0a})
	h := func(h *cimpb.Hello) []byte { return hello(1, h) }
	cases := []struct {
		name  string
		bytes []byte
		code  cimpb.Code
		why   Reason
	}{
		{"PING first", frame.Ping, notTold, reasonNotLogin},
		{"SEND first", sendFrame(2, 1, "hi"), notTold, reasonNotLogin},
		{"empty frame first", raw(), notTold, reasonEmptyFrame},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n" + strings.Repeat("x", 100)), notTold, reasonMalformed},
		{"length over the limit", binary.AppendUvarint(nil, 1<<30), notTold, reasonFrameTooLarge},
		{"no hello", encode(&cimpb.Frame{UserId: 1, Text: "zs"}), notTold, reasonNoHello},
		{"user 0 without hello", encode(&cimpb.Frame{Text: "zs"}), notTold, reasonBadLogin},
		{"user 0", hello(0, &cimpb.Hello{Version: 1, Device: "d"}), cimpb.CodeBadLogin, reasonBadLogin},
		{"negative user", hello(-1, &cimpb.Hello{Version: 1, Device: "d"}), cimpb.CodeBadLogin, reasonBadLogin},
		{"user of 54 bits", hello(1<<53, &cimpb.Hello{Version: 1, Device: "d"}), cimpb.CodeBadLogin, reasonBadLogin},
		{
			"name of 65 bytes", encode(&cimpb.Frame{UserId: 1, Text: strings.Repeat("n", 65), Hello: &cimpb.Hello{Version: 1, Device: "d"}}),
			cimpb.CodeBadLogin, reasonBadLogin,
		},
		{"other version", h(&cimpb.Hello{Version: 2, Device: "d"}), cimpb.CodeBadVersion, reasonVersion},
		{"no version", h(&cimpb.Hello{Device: "d"}), cimpb.CodeBadVersion, reasonVersion},
		{"no device", h(&cimpb.Hello{Version: 1}), cimpb.CodeBadLogin, reasonBadLogin},
		{"device of 65 bytes", h(&cimpb.Hello{Version: 1, Device: strings.Repeat("d", 65)}), cimpb.CodeBadLogin, reasonBadLogin},
		{"token of 4,097 bytes", h(&cimpb.Hello{Version: 1, Device: "d", Token: strings.Repeat("t", 4097)}), cimpb.CodeBadLogin, reasonBadLogin},
		{"hello that is cut off", raw(badHello...), cimpb.CodeBadFrame, reasonMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newFakeBackend()
			s := start(t, b)
			peer := dial(t, s)
			peer.send(c.bytes)
			if c.code == notTold {
				peer.expectClosed()
			} else {
				peer.expectEnd(cimpb.Command_ERROR, c.code)
			}
			expectReason(t, s, c.why, 1)
			nothing(t, b.claimedCh, "the Backend was asked")
		})
	}
}

// stream is what one session says: frames of several sizes, the last one with a length of two bytes.
func stream() []byte {
	return slices.Concat(frame.Ping, sendFrame(2, 7, "hello"), frame.AppendAck(nil, frame.Cursor{LogEpoch: 1, Seq: 9}),
		frame.Ping, sendFrame(3, 8, strings.Repeat("long ", 60)), frame.Ping)
}

func checkStream(t *testing.T, b *fakeBackend, r *rig, c *stubConn) {
	t.Helper()
	r.until("both SENTs", func() bool { return c.session().inFlight == 0 && len(b.sentCh) == 2 })
	first, second := <-b.sentCh, <-b.sentCh
	if first.ClientMsgID != 7 || second.ClientMsgID != 8 || second.To != 3 {
		t.Errorf("sent %+v, then %+v", first, second)
	}
	pongs, sents := 0, 0
	for _, f := range c.frames(t) {
		switch f.GetCmd() {
		case cimpb.Command_PING:
			pongs++
		case cimpb.Command_SENT:
			sents++
		default:
			t.Errorf("told %v", f)
		}
	}
	if pongs != 3 || sents != 2 {
		t.Errorf("%d PONGs and %d SENTs, want 3 and 2", pongs, sents)
	}
}

func TestFramesInTwoPiecesAtEveryByte(t *testing.T) {
	b := newFakeBackend()
	r := newRig(t, b)
	c := r.join(plainHello(1))
	all := stream()
	for cut := 1; cut < len(all); cut++ {
		r.feed(c, all[:cut])
		r.feed(c, all[cut:])
		if r.parked != 0 || len(c.in) != 0 {
			t.Fatalf("cut at %d: %d bytes are parked, %d are left", cut, r.parked, len(c.in))
		}
		checkStream(t, b, r, c)
	}
}

func TestFramesByteByByte(t *testing.T) {
	b := newFakeBackend()
	r := newRig(t, b)
	c := r.join(plainHello(1))
	for _, one := range stream() {
		r.feed(c, []byte{one})
	}
	checkStream(t, b, r, c)
}

func TestFramesAllAtOnceGetOneWrite(t *testing.T) {
	b := newFakeBackend()
	r := newRig(t, b)
	c := r.join(plainHello(1))
	r.feed(c, stream())
	if c.writes != 1 {
		t.Errorf("%d writes for three PONGs of one round", c.writes)
	}
	checkStream(t, b, r, c)
}

// TestLoginInTwoPiecesAtEveryByte is about the connection that is not yet a session.
func TestLoginInTwoPiecesAtEveryByte(t *testing.T) {
	r := newRig(t, newFakeBackend())
	login := plainHello(1)
	for cut := 1; cut < len(login); cut++ {
		c := r.open()
		r.feed(c, login[:cut])
		r.feed(c, login[cut:])
		r.until("the login", func() bool { return c.session().state == stateOpen })
		if f := c.frames(t); len(f) != 1 || f[0].GetWelcome() == nil {
			t.Fatalf("cut at %d: told %v", cut, f)
		}
	}
}

func TestFrameOfExactlyTheLimit(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, func(c *Config) { c.MaxFrame = 1000 })
	peer := join(t, s, 1)
	overhead := len(sendFrame(2, 1, strings.Repeat("x", 900))) - 900 - 2 // its length takes two bytes
	peer.send(sendFrame(2, 1, strings.Repeat("x", 1000-overhead)))
	peer.expect(cimpb.Command_SENT)
	peer.send(sendFrame(2, 1, strings.Repeat("x", 1001-overhead)))
	peer.expectEnd(cimpb.Command_ERROR, cimpb.CodeFrameTooLarge)
}

func TestUnknownCommandsAreCountedAndNotHeeded(t *testing.T) {
	s := start(t, newFakeBackend())
	peer := join(t, s, 1)
	peer.send(encode(&cimpb.Frame{Cmd: 99}), encode(&cimpb.Frame{Cmd: cimpb.Command_WELCOME}))
	peer.sync()
	if n := s.Stats().Dropped["unknown_frame"]; n != 2 {
		t.Errorf("%d unknown frames are counted, want 2", n)
	}
}

func TestPartialFramesHaveABudget(t *testing.T) {
	r := newRig(t, newFakeBackend())
	c := r.join(plainHello(1))
	r.parked = partialBudget // others hold all of it
	r.feed(c, sendFrame(2, 1, "hi")[:5])
	if f := c.frames(t); !c.closed || len(f) != 1 || f[0].GetStatus().GetCode() != uint32(cimpb.CodeBusy) {
		t.Errorf("closed: %v, told %v", c.closed, f)
	}
	if r.parked != partialBudget {
		t.Errorf("%d bytes are parked after the close", r.parked)
	}
}
