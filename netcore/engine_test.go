package netcore

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/panjf2000/gnet/v2"
)

// TestEngineThatEndsIsStartedAgain ends the engines as gnet itself does on a failed accept.
func TestEngineThatEndsIsStartedAgain(t *testing.T) {
	b := newFakeBackend()
	s := start(t, b, func(c *Config) { c.Loops = 2 })
	for range 2 {
		before := [2]*gnet.Engine{s.loops[0].engine.Load(), s.loops[1].engine.Load()}
		c := join(t, s, 1)
		for _, l := range s.loops {
			endEngine(l)
		}
		c.expectClosed()
		if ref := receive(t, b.releasedCh, "the release"); ref.User != 1 {
			t.Errorf("released %+v", ref)
		}
		for i, l := range s.loops {
			eventually(t, "the loop is back", func() bool { return l.engine.Load() != before[i] })
		}
	}
	c := join(t, s, 2)
	give(t, s, b, 2, "a")
	c.expectTexts("a")
	broadcast(t, s, everyone("b"), 1)
	c.expectTexts("b")
	if s.Sessions() != 1 || s.Conns() != 1 {
		t.Errorf("%d sessions, %d connections", s.Sessions(), s.Conns())
	}
}

func endEngine(l *loop) {
	ended, end := context.WithCancel(context.Background())
	end()
	_ = l.engine.Load().Stop(ended)
}

func TestWakeUpsBetweenTwoEnginesAreNotLost(t *testing.T) {
	r := newRig(t, newFakeBackend())
	r.open()
	r.OnShutdown(gnet.Engine{})
	r.round() // whatever was asked for
	for len(r.events.woken) > 0 {
		<-r.events.woken
	}
	var done []numbered
	r.door.postAnswer(numbered{done: &done})
	if len(r.events.woken) != 0 {
		t.Fatal("an engine that ends was woken")
	}
	r.open() // at the next engine
	r.until("the task", func() bool { return len(done) == 1 })
}

func TestWordsOfTheEngineGoToTheLog(t *testing.T) {
	var out bytes.Buffer
	handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})
	l := engineLog{slog.New(handler)}
	l.Debugf("d %d", 1)
	l.Infof("i %d", 2)
	l.Warnf("w %d", 3)
	l.Errorf("e %d", 4)
	l.Fatalf("f %d", 5)
	for _, want := range []string{`level=WARN msg="gnet: e 4"`, `level=ERROR msg="gnet: f 5"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is missing in\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines", n)
	}
}
