package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipedTarget is a connection of an attacker, and the server's end of it.
func pipedTarget(script []byte) (*target, net.Conn) {
	ours, theirs := net.Pipe()
	t := &target{
		conn: ours, raw: ours, script: script, rnd: rand.New(rand.NewPCG(1, 1)), give: func() {}, stop: func() bool { return true },
		cancel: func() {}, readCh: make(chan struct{}),
	}
	return t, theirs
}

// A dribbler says its script byte by byte, a second apart, until the server hangs up.
func TestDribble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, server := pipedTarget([]byte("abc"))
		done := make(chan struct{})
		go func() {
			defer close(done)
			dribble(t.Context(), tg)
		}()
		b := make([]byte, 10)
		var last time.Time
		for i, want := range "abca" { // it begins again at the end
			n, err := server.Read(b)
			if err != nil || n != 1 || b[0] != byte(want) {
				t.Fatalf("byte %d: %q, %v", i, b[:n], err)
			}
			if i > 0 && time.Since(last) != dribbleEvery {
				t.Errorf("byte %d came after %s", i, time.Since(last))
			}
			last = time.Now()
		}
		server.Close()
		<-done
	})
}

// A staller says a part of its script, and then nothing until it is hung up on.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := longFrameOf(helloFrame(1, "", 0))
		tg, server := pipedTarget(script)
		done := make(chan struct{})
		go func() {
			defer close(done)
			stall(t.Context(), tg)
		}()
		var said int
		go func() {
			n, _ := io.Copy(io.Discard, server)
			said = int(n)
		}()
		synctest.Wait()
		pause(t.Context(), time.Minute) // nothing more may come in it
		close(tg.readCh)
		<-done
		server.Close()
		synctest.Wait()
		if said < 1 || said >= len(script) || said > 1<<15 {
			t.Errorf("%d of %d bytes were said", said, len(script))
		}
	})
}

func TestHoldersEndWithTheRun(t *testing.T) {
	for name, hold := range map[string]func(context.Context, *target){"dribble": dribble, "silent": staySilent} {
		synctest.Test(t, func(t *testing.T) {
			tg, server := pipedTarget([]byte("abc"))
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			hold(ctx, tg)
			if ctx.Err() == nil {
				t.Errorf("%s ended before the run", name)
			}
		})
	}
}

func TestTargetThatIsNotThere(t *testing.T) {
	var none *target
	none.close()
	if !none.gone() || none.write([]byte("x")) {
		t.Error("something was written to nobody")
	}
}

func TestClientHello(t *testing.T) {
	b, err := clientHello(&tls.Config{ServerName: "example.test"})
	if err != nil {
		t.Fatal(err)
	}
	size := int(b[3])<<8 + int(b[4])
	if b[0] != 22 || len(b) != recordHeaderBytes+size || !strings.Contains(string(b), "example.test") {
		t.Errorf("not a whole ClientHello: % x", b[:min(len(b), 16)])
	}
}

func TestResolveTarget(t *testing.T) {
	if addr, err := resolveTarget(t.Context(), "127.0.0.1:11211"); err != nil || addr.String() != "127.0.0.1:11211" {
		t.Errorf("%v, %v", addr, err)
	}
	if _, err := resolveTarget(t.Context(), "127.0.0.1"); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "--target") {
		t.Errorf("without a port: %v", err)
	}
}
