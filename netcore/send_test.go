package netcore

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// expectSent reads a SENT and returns it; refusals have to come with their sentence.
func (c *client) expectSent(id uint64, code cimpb.Code) *cimpb.Frame {
	c.t.Helper()
	f := c.expect(cimpb.Command_SENT)
	if f.GetClientMsgId() != id || cimpb.Code(f.GetStatus().GetCode()) != code {
		c.t.Errorf("got %v, want %s for %d", f, code, id)
	}
	if refused := code != cimpb.CodeStored && code != cimpb.CodeWritten; refused != (f.GetStatus().GetText() != "") {
		c.t.Errorf("the sentence of %s is %q", code, f.GetStatus().GetText())
	}
	return f
}

func TestWhatSendsAreRefused(t *testing.T) {
	to := func(k frame.TargetKind, id int64) *frame.Send {
		return &frame.Send{To: k, ToID: id, Text: []byte("x"), ClientMsgID: 3}
	}
	full := encode(&cimpb.Frame{Cmd: cimpb.Command_SEND, ClientMsgId: 3, Text: "x", Batch: []string{"y"}, To: &cimpb.Target{Kind: &cimpb.Target_User{User: 2}}})
	props := encode(&cimpb.Frame{
		Cmd: cimpb.Command_SEND, ClientMsgId: 3, Text: "x", To: &cimpb.Target{Kind: &cimpb.Target_User{User: 2}},
		Properties: map[string]string{"a": "b"},
	})
	cases := []struct {
		name  string
		bytes []byte
		id    uint64
		code  cimpb.Code
	}{
		{"no target", frame.AppendSend(nil, to(frame.TargetNone, 0)), 3, cimpb.CodeBadRequest},
		{"user 0", frame.AppendSend(nil, to(frame.TargetUser, 0)), 3, cimpb.CodeBadRequest},
		{"negative user", frame.AppendSend(nil, to(frame.TargetUser, -1)), 3, cimpb.CodeBadRequest},
		{"user of 54 bits", frame.AppendSend(nil, to(frame.TargetUser, 1<<53)), 3, cimpb.CodeBadRequest},
		{"group", frame.AppendSend(nil, to(frame.TargetGroup, 7)), 3, cimpb.CodeUnsupported},
		{"application", frame.AppendSend(nil, to(frame.TargetApplication, 0)), 3, cimpb.CodeUnsupported},
		{"no id", sendFrame(2, 0, "x"), 0, cimpb.CodeBadRequest},
		{"no content", sendFrame(2, 3, ""), 3, cimpb.CodeBadRequest},
		{
			"text and payload", frame.AppendSend(nil, &frame.Send{To: frame.TargetUser, ToID: 2, Text: []byte("x"), Payload: []byte("y"), ClientMsgID: 3}),
			3, cimpb.CodeBadRequest,
		},
		{"batch", full, 3, cimpb.CodeBadRequest},
		{"properties", props, 3, cimpb.CodeBadRequest},
	}
	b := newFakeBackend()
	s := start(t, b)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			peer := join(t, s, 1)
			before := s.Stats().RefusedSends[c.code.String()]
			peer.send(c.bytes)
			if f := peer.expectSent(c.id, c.code); f.GetStatus().GetRetryAfterMs() != 0 {
				t.Errorf("told to try again: %v", f)
			}
			if n := s.Stats().RefusedSends[c.code.String()] - before; n != 1 {
				t.Errorf("counted %d times", n)
			}
			peer.sync()
		})
	}
	nothing(t, b.sentCh, "the Backend got a SEND that was refused")
}

// holdSends makes Deliver wait until goCh is closed.
func holdSends(b *fakeBackend) (goCh chan struct{}) {
	goCh = make(chan struct{})
	b.onDeliver = func(_ context.Context, sends []Send) []SendResult {
		<-goCh
		results := make([]SendResult, len(sends))
		for i, s := range sends {
			results[i] = SendResult{Code: cimpb.CodeStored, Cursor: Cursor{4, s.ClientMsgID}, Offline: s.ClientMsgID == 2}
		}
		return results
	}
	return goCh
}

func TestSendsOverTheCreditAreRefused(t *testing.T) {
	b := newFakeBackend()
	goCh := holdSends(b)
	s := start(t, b, func(c *Config) { c.SendCredit = 3 })
	c := join(t, s, 1)
	for id := range uint64(5) {
		c.send(sendFrame(2, id+1, "x"))
	}
	for _, id := range []uint64{4, 5} {
		if f := c.expectSent(id, cimpb.CodeRateLimited); f.GetStatus().GetRetryAfterMs() == 0 {
			t.Errorf("not told when to try again: %v", f)
		}
	}
	close(goCh)
	for id := range uint64(3) {
		if f := c.expectSent(id+1, cimpb.CodeStored); f.GetSeq() != id+1 || f.GetLogEpoch() != 4 {
			t.Errorf("stored at %v", f)
		} else if f.GetStatus().GetOffline() != (id+1 == 2) {
			t.Errorf("of message %d the receiver is said to be offline: %v", id+1, f)
		}
	}
	c.send(sendFrame(2, 6, "x")) // the credit is back
	c.expectSent(6, cimpb.CodeStored)
}

// While the store keeps SENDs waiting, those that do not need it go on, of the same sender too.
func TestUnstoredSendsDoNotWaitForTheStore(t *testing.T) {
	b := newFakeBackend()
	goCh := make(chan struct{})
	b.onDeliver = func(_ context.Context, sends []Send) []SendResult {
		results := make([]SendResult, len(sends))
		for i, s := range sends {
			if results[i].Code = cimpb.CodeWritten; s.Stored {
				<-goCh
				results[i].Code = cimpb.CodeStored
			}
		}
		return results
	}
	s := start(t, b)
	c := join(t, s, 1)
	for id := range uint64(3) {
		c.send(frame.AppendSend(nil, &frame.Send{To: frame.TargetUser, ToID: 2, Text: []byte("x"), ClientMsgID: id + 1, QoS: cimpb.QoS_AT_LEAST_ONCE}))
	}
	c.send(sendFrame(2, 4, "x"))
	c.expectSent(4, cimpb.CodeWritten)
	c.send(frame.AppendSend(nil, &frame.Send{To: frame.TargetEveryone, Text: []byte("x"), ClientMsgID: 5}))
	c.expectSent(5, cimpb.CodeWritten)
	close(goCh)
	for id := range uint64(3) {
		c.expectSent(id+1, cimpb.CodeStored)
	}
}

func TestSendLaneFull(t *testing.T) {
	b := newFakeBackend()
	goCh := holdSends(b)
	s := start(t, b)
	shorten(s.unstored, 0)
	shorten(s.stored, 0)
	c := join(t, s, 1)
	for id, qos := range []cimpb.QoS{cimpb.QoS_AT_MOST_ONCE, cimpb.QoS_AT_LEAST_ONCE} {
		c.send(frame.AppendSend(nil, &frame.Send{To: frame.TargetUser, ToID: 2, Text: []byte("x"), ClientMsgID: uint64(id + 1), QoS: qos}))
		if f := c.expectSent(uint64(id+1), cimpb.CodeOverloaded); f.GetStatus().GetRetryAfterMs() == 0 {
			t.Errorf("not told when to try again: %v", f)
		}
	}
	close(goCh)
}

func TestSendWhileTheServerStops(t *testing.T) {
	b := newFakeBackend()
	r := newRig(t, b)
	c := r.join(plainHello(1))
	r.srv.stopping.Store(true)
	r.feed(c, sendFrame(2, 1, "x"))
	if f := c.frames(t); len(f) != 1 || f[0].GetStatus().GetCode() != uint32(cimpb.CodeOverloaded) || f[0].GetStatus().GetRetryAfterMs() == 0 {
		t.Errorf("told %v", f)
	}
	nothing(t, b.sentCh, "the Backend got it")
}

func TestSendsAreRateLimited(t *testing.T) {
	r := newRig(t, newFakeBackend(), func(c *Config) { c.SendCredit = 60_000 })
	c := r.join(plainHello(1))
	everyone := frame.AppendSend(nil, &frame.Send{To: frame.TargetEveryone, Text: []byte("x"), ClientMsgID: 1})
	refused := func(f []byte, n int) (no int) {
		for range n {
			r.feed(c, f)
		}
		for _, f := range c.frames(t) {
			if f.GetStatus().GetCode() == uint32(cimpb.CodeRateLimited) {
				no++
			}
		}
		return no
	}
	if n := refused(everyone, everyoneBurst+5); n != 5 {
		t.Errorf("%d of 5 too many messages to everyone were refused", n)
	}
	left := sendBurst - everyoneBurst
	if n := refused(sendFrame(2, 1, "x"), left+7); n != 7 {
		t.Errorf("%d of 7 too many messages were refused", n)
	}
	r.pass(stubTick) // brings a minute's worth: as much as the bucket holds
	if n := refused(sendFrame(2, 1, "x"), sendBurst+1); n != 1 {
		t.Errorf("%d of 1 too many was refused after a while", n)
	}
}

func TestBucketFillsWithTime(t *testing.T) {
	var b bucket
	take := func(now uint32, n int) (got int) {
		for range n {
			if b.take(now, 2, 10) {
				got++
			}
		}
		return got
	}
	for _, c := range []struct {
		now       uint32
		try, want int
	}{{100, 20, 10}, {100, 1, 0}, {101, 5, 2}, {103, 10, 4}, {1000, 20, 10}} {
		if got := take(c.now, c.try); got != c.want {
			t.Errorf("at tick %d: %d of %d, want %d", c.now, got, c.try, c.want)
		}
	}
}

func TestWhatTheBackendIsAskedToDeliver(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b)
	c := join(t, s, 1)
	cases := []struct {
		name string
		send frame.Send
		want Send
		body *cimpb.Frame
	}{
		{
			"stored",
			frame.Send{To: frame.TargetUser, ToID: 2, Text: []byte("hi"), QoS: cimpb.QoS_AT_LEAST_ONCE},
			Send{To: 2, Stored: true},
			&cimpb.Frame{Text: "hi", Qos: cimpb.QoS_AT_LEAST_ONCE},
		},
		{"once", frame.Send{To: frame.TargetUser, ToID: 2, Payload: []byte{0xff}}, Send{To: 2}, &cimpb.Frame{Payload: []byte{0xff}}},
		{
			"everyone is never stored",
			frame.Send{To: frame.TargetEveryone, Text: []byte("hi"), QoS: cimpb.QoS_AT_LEAST_ONCE},
			Send{Everyone: true},
			&cimpb.Frame{Text: "hi", To: &cimpb.Target{Kind: &cimpb.Target_Everyone{Everyone: true}}},
		},
	}
	for i, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			k.send.ClientMsgID = uint64(i + 1)
			before := time.Now().UnixMilli()
			c.send(frame.AppendSend(nil, &k.send))
			got := receive(t, b.sentCh, "the SEND")
			c.expectSent(uint64(i+1), cimpb.CodeWritten)
			if got.From != 1 || got.FromName != "user-1" || got.Device != "phone" || got.ClientMsgID != uint64(i+1) ||
				got.To != k.want.To || got.Everyone != k.want.Everyone || got.Stored != k.want.Stored {
				t.Errorf("got %+v", got)
			}
			var f cimpb.Frame
			if err := proto.Unmarshal(got.Body, &f); err != nil {
				t.Fatal(err)
			}
			if f.GetSentAtMs() < before || f.GetSentAtMs() > time.Now().UnixMilli() {
				t.Errorf("sent at %d", f.GetSentAtMs())
			}
			k.body.Cmd, k.body.From, k.body.FromName, k.body.SentAtMs = cimpb.Command_MESSAGE, 1, "user-1", f.GetSentAtMs()
			if !proto.Equal(&f, k.body) {
				t.Errorf("the body says %v, want %v", &f, k.body)
			}
		})
	}
}

func TestRefusalOfTheBackendReachesTheSender(t *testing.T) {
	b := newFakeBackend()
	b.onDeliver = func(_ context.Context, sends []Send) []SendResult {
		results := make([]SendResult, len(sends))
		for i := range results {
			results[i] = SendResult{Code: cimpb.CodeStoreUnavailable, RetryAfterMs: 321}
		}
		return results
	}
	s := start(t, b)
	c := join(t, s, 1)
	c.send(sendFrame(2, 8, "x"))
	if f := c.expectSent(8, cimpb.CodeStoreUnavailable); f.GetStatus().GetRetryAfterMs() != 321 {
		t.Errorf("told %v", f)
	}
	if n := s.Stats().RefusedSends["store_unavailable"]; n != 1 {
		t.Errorf("%d refusals are counted", n)
	}
}

func TestOrderOfEachSenderIsKept(t *testing.T) {
	const senders, each = 8, 200
	var mu sync.Mutex
	last := make(map[int64]uint64)
	b := newFakeBackend()
	b.onDeliver = func(_ context.Context, sends []Send) []SendResult {
		mu.Lock()
		defer mu.Unlock()
		results := make([]SendResult, len(sends))
		for i, s := range sends {
			if s.ClientMsgID != last[s.From]+1 {
				t.Errorf("%d: number %d came after %d", s.From, s.ClientMsgID, last[s.From])
			}
			last[s.From], results[i].Code = s.ClientMsgID, cimpb.CodeWritten
		}
		return results
	}
	s := start(t, b, func(c *Config) { c.Loops, c.SendCredit = 2, each })
	var wg sync.WaitGroup
	for n := range int64(senders) {
		c := join(t, s, n+1)
		wg.Go(func() {
			var all []byte
			for id := range uint64(each) {
				all = append(all, sendFrame(99, id+1, fmt.Sprint(id))...)
			}
			c.send(all)
			for id := range uint64(each) {
				if f, err := c.next(); err != nil || f.GetClientMsgId() != id+1 {
					t.Errorf("got %v, %v; want the answer to %d", f, err, id+1)
					return
				}
			}
		})
	}
	wg.Wait()
}
