package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	cimpb "cim/proto"
)

func TestMessageIsHandedOverAndAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		p.message(1, 1, "hi")
		m := receive(t, rec.msgCh)
		if m.From != bobID || m.FromName != "bob" || m.Text != "hi" || m.Kind != Private || m.QoS != AtLeastOnce ||
			m.Seq != 1 || m.LogEpoch != 1 || m.SentAt.UnixMilli() != 1_700_000_000_123 {
			t.Errorf("message is %+v", m)
		}
		if f := p.next(t, cimpb.Command_ACK); f.Seq != 1 || f.LogEpoch != 1 || f.Group != 0 {
			t.Errorf("ACK is %v", f)
		}
	})
}

func TestMessageForms(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		everyone := &cimpb.Target{Kind: &cimpb.Target_Everyone{Everyone: true}}
		for _, tt := range []struct {
			name string
			f    *cimpb.Frame
			want func(m Message) bool
		}{
			{"everyone", &cimpb.Frame{Text: "a", To: everyone}, func(m Message) bool { return m.Kind == Everyone && m.QoS == AtMostOnce }},
			{"group", &cimpb.Frame{Text: "a", Group: 9, Seq: 70}, func(m Message) bool { return m.Kind == Group && m.Group == 9 }},
			{"payload", &cimpb.Frame{Payload: []byte{1, 2}}, func(m Message) bool { return slices.Equal(m.Payload, []byte{1, 2}) }},
			{"batch", &cimpb.Frame{Batch: []string{"a", "", "b"}}, func(m Message) bool { return slices.Equal(m.Batch, []string{"a", "", "b"}) }},
			{"application", &cimpb.Frame{Text: "a"}, func(m Message) bool { return m.From == 0 && m.Text == "a" }},
		} {
			tt.f.Cmd = cimpb.Command_MESSAGE
			p.send(tt.f)
			if m := receive(t, rec.msgCh); !tt.want(m) {
				t.Errorf("%s: message is %+v", tt.name, m)
			}
		}
		pass(time.Second)
		p.none(t) // nothing of it was stored in the inbox, so nothing is acknowledged
	})
}

func TestOrderIsKeptWhateverTheServerSends(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		c, p := s.connect(t, rec)
		p.message(1, 1, "1")
		rec.texts(t, "1")
		p.next(t, cimpb.Command_ACK)
		p.message(1, 1, "1")
		p.message(1, 3, "3")
		p.message(1, 4, "4")
		if f := p.next(t, cimpb.Command_SYNC); f.Seq != 1 || f.LogEpoch != 1 {
			t.Errorf("SYNC is %v, want from above 1", f)
		}
		pass(ackWithin)
		p.next(t, cimpb.Command_ACK)
		p.none(t) // the gap is asked for once
		if len(rec.msgCh) != 0 {
			t.Error("a message was handed over ahead of its turn")
		}
		for seq := range uint64(4) {
			p.message(1, seq+1, fmt.Sprint(seq+1))
		}
		rec.texts(t, "2", "3", "4")
		if st := c.Stats(); st.Duplicates != 2 || st.Gaps != 2 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestGapIsAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		_, p := s.connect(t, newRecorder())
		p.message(1, 2, "2")
		p.next(t, cimpb.Command_SYNC)
		pass(syncAgain)
		p.none(t)
		p.message(1, 3, "3")
		p.next(t, cimpb.Command_SYNC)
	})
}

func TestRepetitionIsAcknowledgedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		p.message(1, 1, "1")
		rec.texts(t, "1")
		p.next(t, cimpb.Command_ACK)
		pass(time.Second)
		p.message(1, 1, "1")
		if f := p.next(t, cimpb.Command_ACK); f.Seq != 1 {
			t.Errorf("ACK is %v", f)
		}
		if len(rec.msgCh) != 0 {
			t.Error("the repetition was handed over")
		}
	})
}

func TestLogReset(t *testing.T) {
	for _, tt := range []struct {
		name string
		send func(p *peer)
	}{
		{"by a message", func(p *peer) { p.message(2, 8, "new") }},
		{"by SYNC", func(p *peer) {
			p.send(&cimpb.Frame{Cmd: cimpb.Command_SYNC, LogEpoch: 2, Seq: 7})
			p.message(2, 8, "new")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fake) {
				rec := newRecorder()
				_, p := s.connect(t, rec)
				rec.state(t, StateConnected)
				p.message(1, 1, "old")
				rec.texts(t, "old")
				p.next(t, cimpb.Command_ACK)
				tt.send(p)
				rec.state(t, StateLogReset)
				rec.texts(t, "new")
				if f := p.next(t, cimpb.Command_ACK); f.Seq != 8 || f.LogEpoch != 2 {
					t.Errorf("ACK is %v", f)
				}
			})
		})
	}
}

// TestLogGoesOnUnderAnotherEpoch: what was received of the log before is in the present one too, so nobody is told, nothing
// is handed over again, and what is handled is acknowledged under the new epoch.
func TestLogGoesOnUnderAnotherEpoch(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec, cursors := newRecorder(), &memoryCursors{}
		_, p := s.connect(t, rec, func(o *Options) { o.Cursors = cursors })
		rec.state(t, StateConnected)
		p.message(1, 1, "1")
		p.message(1, 2, "2")
		rec.texts(t, "1", "2")
		synctest.Wait()
		for len(p.frameCh) > 0 {
			<-p.frameCh
		}
		p.send(&cimpb.Frame{Cmd: cimpb.Command_SYNC, LogEpoch: 5, Seq: 1, Follows: &cimpb.Cursor{LogEpoch: 1, Seq: 2}})
		if f := p.next(t, cimpb.Command_ACK); f.LogEpoch != 5 || f.Seq != 2 {
			t.Errorf("ACK is %v", f)
		}
		p.message(5, 2, "2")
		p.message(5, 3, "3")
		rec.texts(t, "3")
		pass(time.Second)
		if cursors.at != (Cursor{5, 3}) || len(rec.stateCh) > 0 {
			t.Errorf("the cursor is %+v, told %d changes", cursors.at, len(rec.stateCh))
		}
	})
}

// TestLogIsRenamedWhileTheHandlerHangs: what waits in the queue has the old name, and LOGIN the one that the inbox has been
// received under, so that the answer is about that.
func TestLogIsRenamedWhileTheHandlerHangs(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec, goCh, n := newRecorder(), make(chan struct{}), 0
		rec.fail = func(context.Context, Message) error {
			if n++; n == 2 {
				<-goCh
			}
			return nil
		}
		cursors := &memoryCursors{}
		_, p := s.connect(t, rec, func(o *Options) { o.Cursors = cursors })
		rec.state(t, StateConnected)
		for seq := range uint64(3) {
			p.message(1, seq+1, fmt.Sprint(seq+1))
		}
		rec.texts(t, "1", "2")
		p.send(&cimpb.Frame{Cmd: cimpb.Command_SYNC, LogEpoch: 2, Seq: 1, Follows: &cimpb.Cursor{LogEpoch: 1, Seq: 3}})
		p.message(2, 4, "4")
		synctest.Wait()
		s.set(func() {
			s.welcome.Inbox, s.welcome.Acked = &cimpb.Cursor{LogEpoch: 3, Seq: 5}, 1
			s.follows = &cimpb.Cursor{LogEpoch: 2, Seq: 4}
		})
		p.Close()
		p = receive(t, s.peerCh)
		if at := p.login.Hello.Cursors[0]; at.LogEpoch != 2 || at.Seq != 1 {
			t.Errorf("LOGIN says %v", at)
		}
		for seq := uint64(2); seq <= 5; seq++ {
			p.message(3, seq, fmt.Sprint(seq))
		}
		synctest.Wait()
		close(goCh)
		rec.texts(t, "3", "4", "5")
		pass(time.Second)
		rec.wantNoReset(t)
		if cursors.at != (Cursor{3, 5}) {
			t.Errorf("the cursor is %+v", cursors.at)
		}
		last := &cimpb.Frame{}
		for len(p.frameCh) > 0 {
			last = <-p.frameCh
		}
		if last.Cmd != cimpb.Command_ACK || last.LogEpoch != 3 || last.Seq != 5 {
			t.Errorf("the last frame is %v", last)
		}
	})
}

// TestLogIsRenamedBeforeAnythingWasHandled: LOGIN names the log all the same.
func TestLogIsRenamedBeforeAnythingWasHandled(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec, goCh := newRecorder(), make(chan struct{})
		rec.fail = func(context.Context, Message) error { <-goCh; return nil }
		_, p := s.connect(t, rec)
		p.message(1, 1, "1")
		p.message(1, 2, "2")
		synctest.Wait()
		s.set(func() {
			s.welcome.Inbox, s.follows = &cimpb.Cursor{LogEpoch: 2, Seq: 3}, &cimpb.Cursor{LogEpoch: 1, Seq: 2}
		})
		p.Close()
		p = receive(t, s.peerCh)
		if len(p.login.Hello.Cursors) != 1 || p.login.Hello.Cursors[0].LogEpoch != 1 {
			t.Errorf("LOGIN says %v", p.login.Hello.Cursors)
		}
		for seq := range uint64(3) {
			p.message(2, seq+1, fmt.Sprint(seq+1))
		}
		synctest.Wait()
		close(goCh)
		rec.texts(t, "1", "2", "3")
		pass(time.Second)
		rec.wantNoReset(t)
		if len(rec.msgCh) > 0 {
			t.Errorf("handed over again: %q", (<-rec.msgCh).Text)
		}
	})
}

func (r *recorder) wantNoReset(t *testing.T) {
	t.Helper()
	for len(r.stateCh) > 0 {
		if s := <-r.stateCh; s.State == StateLogReset {
			t.Error("told that messages may be lost")
		}
	}
}

// TestLogThatLostItsEnd: what is left of the log before is not handed over again.
func TestLogThatLostItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		rec.state(t, StateConnected)
		for seq := range uint64(3) {
			p.message(1, seq+1, "old")
		}
		p.send(&cimpb.Frame{Cmd: cimpb.Command_SYNC, LogEpoch: 5, Follows: &cimpb.Cursor{LogEpoch: 1, Seq: 2}})
		p.message(5, 2, "repeated")
		p.message(5, 3, "new")
		rec.texts(t, "old", "old", "old", "new")
		rec.state(t, StateLogReset)
		if len(rec.stateCh) > 0 {
			t.Errorf("told more than the reset: %v", <-rec.stateCh)
		}
		pass(time.Second)
		last := &cimpb.Frame{}
		for len(p.frameCh) > 0 {
			last = <-p.frameCh
		}
		if last.Cmd != cimpb.Command_ACK || last.LogEpoch != 5 || last.Seq != 3 {
			t.Errorf("the last frame is %v", last)
		}
	})
}

func TestLogGap(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		rec.state(t, StateConnected)
		p.message(1, 1, "1")
		p.send(&cimpb.Frame{Cmd: cimpb.Command_SYNC, LogEpoch: 1, Seq: 1}) // nothing new
		p.send(&cimpb.Frame{Cmd: cimpb.Command_SYNC, LogEpoch: 5, Seq: 1, Group: 3})
		p.send(&cimpb.Frame{Cmd: cimpb.Command_SYNC, LogEpoch: 1, Seq: 10})
		p.message(1, 11, "11")
		rec.texts(t, "1", "11")
		if got := rec.state(t, StateLogGap); got.From != 2 || got.To != 10 {
			t.Errorf("gap is %d to %d", got.From, got.To)
		}
	})
}

func TestWelcomeDecidesWhereToGoOn(t *testing.T) {
	inbox := func(epoch, last uint64) *cimpb.Cursor { return &cimpb.Cursor{LogEpoch: epoch, Seq: last} }
	for _, tt := range []struct {
		name    string
		own     Cursor
		w       *cimpb.Welcome
		follows *cimpb.Cursor
		next    Cursor // taken as the next message
		reset   bool
	}{
		{"nothing known here", Cursor{}, &cimpb.Welcome{Inbox: inbox(1, 9), Acked: 4}, nil, Cursor{1, 5}, false},
		{"empty inbox without an epoch", Cursor{}, &cimpb.Welcome{Inbox: inbox(0, 0)}, nil, Cursor{3, 1}, false},
		{"server keeps none", Cursor{}, &cimpb.Welcome{}, nil, Cursor{3, 17}, false},
		{"own cursor is ahead", Cursor{1, 6}, &cimpb.Welcome{Inbox: inbox(1, 9), Acked: 4}, nil, Cursor{1, 7}, false},
		{"another device was ahead", Cursor{1, 2}, &cimpb.Welcome{Inbox: inbox(1, 9), Acked: 4}, nil, Cursor{1, 5}, false},
		{"another epoch", Cursor{1, 6}, &cimpb.Welcome{Inbox: inbox(2, 9), Acked: 4}, nil, Cursor{2, 5}, true},
		{"the log goes on", Cursor{1, 6}, &cimpb.Welcome{Inbox: inbox(2, 9), Acked: 6}, inbox(1, 7), Cursor{2, 7}, false},
		{"it goes on behind what was taken", Cursor{1, 6}, &cimpb.Welcome{Inbox: inbox(2, 6), Acked: 6}, inbox(1, 6), Cursor{2, 7}, false},
		{"it goes on, and another device was ahead", Cursor{1, 6}, &cimpb.Welcome{Inbox: inbox(2, 9), Acked: 8}, inbox(1, 7), Cursor{2, 9}, false},
		{"it goes on without its end", Cursor{1, 6}, &cimpb.Welcome{Inbox: inbox(2, 9), Acked: 4}, inbox(1, 5), Cursor{2, 6}, true},
		{"another one goes on", Cursor{1, 6}, &cimpb.Welcome{Inbox: inbox(3, 9), Acked: 4}, inbox(2, 7), Cursor{3, 5}, true},
		{"shorter than what was taken", Cursor{1, 20}, &cimpb.Welcome{Inbox: inbox(1, 9), Acked: 4}, nil, Cursor{1, 5}, true},
		{"inbox is gone", Cursor{1, 20}, &cimpb.Welcome{Inbox: inbox(0, 0)}, nil, Cursor{2, 1}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fake) {
				tt.w.SessionEpoch, tt.w.HeartbeatMs = 7, s.welcome.HeartbeatMs
				s.welcome, s.follows = tt.w, tt.follows
				rec := newRecorder()
				_, p := s.connect(t, rec, func(o *Options) { o.Cursors = &memoryCursors{at: tt.own} })
				if got := len(p.login.Hello.Cursors) == 1; got != (tt.own != Cursor{}) {
					t.Errorf("LOGIN is %v", p.login)
				}
				p.message(tt.next.LogEpoch, tt.next.Seq, "next")
				rec.texts(t, "next")
				synctest.Wait()
				resets := 0
				for len(rec.stateCh) > 0 {
					if (<-rec.stateCh).State == StateLogReset {
						resets++
					}
				}
				if (resets == 1) != tt.reset || resets > 1 {
					t.Errorf("told %d resets, want %v", resets, tt.reset)
				}
			})
		})
	}
}

func TestLostAckIsRepeatedAfterAReconnect(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		store := &memoryCursors{}
		_, p := s.connect(t, rec, func(o *Options) { o.Cursors = store })
		p.message(1, 1, "1")
		p.message(1, 2, "2")
		rec.texts(t, "1", "2")
		synctest.Wait()
		s.set(func() { s.welcome.Inbox.Seq, s.welcome.Acked = 2, 0 })
		p.Close()
		p = receive(t, s.peerCh)
		if cur := p.login.Hello.Cursors; len(cur) != 1 || cur[0].LogEpoch != 1 || cur[0].Seq != 2 {
			t.Errorf("hello says %v", cur)
		}
		p.message(1, 2, "2")
		p.message(1, 3, "3")
		rec.texts(t, "3")
		if f := p.next(t, cimpb.Command_ACK); f.Seq < 2 {
			t.Errorf("ACK is %v", f)
		}
		pass(time.Second)
		if store.at != (Cursor{LogEpoch: 1, Seq: 3}) {
			t.Errorf("saved %+v", store.at)
		}
	})
}

func TestMessageInTheQueueIsNotTakenTwice(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		goCh := make(chan struct{})
		rec.fail = func(context.Context, Message) error { <-goCh; return nil }
		_, p := s.connect(t, rec)
		p.message(1, 1, "1")
		p.message(1, 2, "2")
		rec.texts(t, "1")
		synctest.Wait()
		s.set(func() { s.welcome.Inbox.Seq = 2 })
		p.Close()
		p = receive(t, s.peerCh)
		if at := p.login.Hello.Cursors; len(at) != 1 || at[0].LogEpoch != 1 || at[0].Seq != 0 {
			t.Errorf("hello says %v, but nothing was handled", at)
		}
		p.message(1, 1, "1")
		p.message(1, 2, "2")
		p.message(1, 3, "3")
		synctest.Wait()
		close(goCh)
		rec.texts(t, "2", "3")
	})
}

func TestHandlerErrorIsRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		tries := 0
		rec.fail = func(context.Context, Message) error {
			if tries++; tries <= 3 {
				return errors.New("the disk is full")
			}
			return nil
		}
		_, p := s.connect(t, rec)
		p.message(1, 1, "1")
		p.message(1, 2, "2")
		rec.texts(t, "1")
		p.none(t)
		rec.texts(t, "1", "1", "1", "2")
		if f := p.next(t, cimpb.Command_ACK); f.Seq == 0 {
			t.Errorf("ACK is %v", f)
		}
	})
}

func TestFailingCursorStoreDoesNotStopMessages(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec, func(o *Options) { o.Cursors = &memoryCursors{saveErr: errors.New("full")} })
		p.message(1, 1, "1")
		p.message(1, 2, "2")
		rec.texts(t, "1", "2")
		p.next(t, cimpb.Command_ACK)
	})
}

func TestFullQueueStopsReading(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		goCh := make(chan struct{})
		rec.fail = func(context.Context, Message) error { <-goCh; return nil }
		c, p := s.connect(t, rec)
		const n = queueMessages + 500
		for seq := range uint64(n) {
			p.message(1, seq+1, "x")
		}
		synctest.Wait()
		if len(p.outCh) == 0 {
			t.Error("the client has read everything, with its queue full")
		}
		pass(10 * time.Minute) // a reader that waits for room is not a dead connection
		close(goCh)
		for range n {
			receive(t, rec.msgCh)
		}
		if got := c.Stats(); got.Connects != 1 || got.Gaps != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestHandlerMaySendWhileTheQueueIsFull(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		rec.fail = func(ctx context.Context, m Message) error {
			if m.Seq == 1 {
				_, err := FromContext(ctx).SendTo(ctx, m.From, "echo")
				return err
			}
			return nil
		}
		c, p := s.connect(t, rec)
		const n = queueMessages + 500
		for seq := range uint64(n) {
			p.message(1, seq+1, "x")
		}
		p.send(&cimpb.Frame{Cmd: cimpb.Command_MESSAGE, Text: "QoS 0"})
		f := p.next(t, cimpb.Command_SEND)
		synctest.Wait()
		p.sent(f.ClientMsgId, cimpb.CodeStored, 1, 0)
		from := uint64(0)
		for from == 0 {
			if f := receive(t, p.frameCh); f.Cmd == cimpb.Command_SYNC {
				from = f.Seq
			}
		}
		for seq := from + 1; seq <= n; seq++ {
			p.message(1, seq, "x")
		}
		for seq := range uint64(n) {
			if m := receive(t, rec.msgCh); m.Seq != seq+1 {
				t.Fatalf("message %d came at %d", m.Seq, seq+1)
			}
		}
		if got := c.Stats(); got.Dropped != 1 {
			t.Errorf("stats %+v, want the QoS 0 message dropped", got)
		}
	})
}

func TestUnreadableFrameEndsTheConnection(t *testing.T) {
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"malformed", []byte{2, 0xff, 0xff}, "cannot be read"},
		{"too large", []byte{0xff, 0xff, 0xff, 0x7f}, "over the limit"},
		{"empty", []byte{0}, "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fake) {
				rec := newRecorder()
				_, p := s.connect(t, rec)
				rec.state(t, StateConnected)
				p.outCh <- tt.raw
				if got := rec.state(t, StateDisconnected); !strings.Contains(got.Err.Error(), tt.want) {
					t.Errorf("cut by %v, want %q in it", got.Err, tt.want)
				}
				rec.state(t, StateConnected)
			})
		})
	}
}

func TestLargeFrameInManyPieces(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		text := strings.Repeat("x", 1<<20)
		p.message(1, 1, text)
		p.message(1, 2, "small")
		rec.texts(t, text, "small")
	})
}

func TestUnknownCommandIsSkipped(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		p.send(&cimpb.Frame{Cmd: 99, Text: "from the future"})
		p.sent(12345, cimpb.CodeStored, 1, 0)
		p.message(1, 1, "1")
		rec.texts(t, "1")
	})
}
