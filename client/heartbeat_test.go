package client

import (
	"strings"
	"testing"
	"time"

	cimpb "cim/proto"
)

func TestPingsWhenNothingElseIsWritten(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder())
		begin := time.Now()
		pass(20 * time.Second)
		ch := sendAsync(t.Context(), c, "hi")
		p.sent(p.next(t, cimpb.Command_SEND).ClientMsgId, cimpb.CodeStored, 1, 0)
		receive(t, ch)
		pass(2 * beat)
		var at []time.Duration
		for _, ping := range p.pinged() {
			at = append(at, ping.Sub(begin))
		}
		if len(at) != 2 || at[0] != 20*time.Second+beat || at[1] != 20*time.Second+2*beat {
			t.Errorf("PINGs at %v, want one heartbeat after the SEND and then each heartbeat", at)
		}
		if got := c.Stats().Connects; got != 1 {
			t.Errorf("%d sessions", got)
		}
	})
}

func TestHeartbeatWithoutAGrant(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		s.welcome.HeartbeatMs = 0
		c, p := s.connect(t, newRecorder())
		pass(defaultBeat)
		if len(p.pinged()) != 1 || c.Session().Heartbeat != defaultBeat {
			t.Errorf("%d PINGs, session %+v", len(p.pinged()), c.Session())
		}
	})
}

func TestMissingPongReplacesTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		_, p := s.connect(t, rec)
		rec.state(t, StateConnected)
		p.mu.Lock()
		p.mute = true
		p.mu.Unlock()
		begin := time.Now()
		got := rec.state(t, StateDisconnected)
		if after := time.Since(begin); after != beat+pongWithin || !strings.Contains(got.Err.Error(), "PING") {
			t.Errorf("cut after %v by %v, want %v", after, got.Err, beat+pongWithin)
		}
		rec.state(t, StateConnected)
	})
}

func TestSilenceReplacesTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		c, p := s.connect(t, rec)
		rec.state(t, StateConnected)
		begin := time.Now()
		// Writes keep the PINGs away, and nothing is ever answered.
		for range 4 {
			pass(20 * time.Second)
			sendAsync(t.Context(), c, "hi")
		}
		_ = p
		got := rec.state(t, StateDisconnected)
		if !strings.Contains(got.Err.Error(), "nothing was heard") || time.Since(begin) > 2*beat+25*time.Second {
			t.Errorf("cut after %v by %v", time.Since(begin), got.Err)
		}
		next := receive(t, s.peerCh)
		for range 4 {
			next.sent(next.next(t, cimpb.Command_SEND).ClientMsgId, cimpb.CodeStored, 1, 0)
		}
	})
}

func TestAnyFrameProvesThatTheServerLives(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		c, p := s.connect(t, rec)
		p.mu.Lock()
		p.mute = true
		p.mu.Unlock()
		for seq := range uint64(60) {
			p.message(1, seq+1, "x")
			pass(5 * time.Second)
		}
		if got := c.Stats().Connects; got != 1 {
			t.Errorf("%d sessions, want the first to last", got)
		}
	})
}

func TestWriteThatIsNotTakenEndsTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		c, p := s.connect(t, rec)
		rec.state(t, StateConnected)
		p.stall()
		ch := sendAsync(t.Context(), c, "hi")
		begin := time.Now()
		rec.state(t, StateDisconnected)
		if after := time.Since(begin); after != 10*time.Second {
			t.Errorf("cut after %v, want WriteTimeout", after)
		}
		p.Close()
		p = receive(t, s.peerCh)
		p.sent(p.next(t, cimpb.Command_SEND).ClientMsgId, cimpb.CodeStored, 1, 0)
		if got := receive(t, ch); got.err != nil {
			t.Error(got.err)
		}
	})
}
