package peer

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"cim/route"
)

func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, "a")
		for user := range int64(10) {
			c.pushOne("a", once(user))
		}
		if n := c.net.dials.Load(); n != 2 {
			t.Fatalf("%d connections for two shards", n)
		}
		after(9 * time.Second)
		synctest.Wait()
		if n := c.net.open.Load(); n != 2 {
			t.Fatalf("%d connections are open after 9 s", n)
		}
		after(2 * time.Second)
		synctest.Wait()
		if n := c.net.open.Load(); n != 0 {
			t.Fatalf("%d connections are open after 11 s", n)
		}
		c.pushOne("a", once(1))
	})
}

// TestServersThatLeftAreForgotten with their connections and what waits for them.
func TestServersThatLeftAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Idle = time.Hour }, "a", "b")
		c.pushOne("a", once(1))
		c.pushOne("b", once(1))
		p := c.peer("a")
		c.leave["a"]()
		after(15 * time.Second)
		synctest.Wait()
		if s := c.Stats(); s.Servers != 2 {
			t.Fatalf("%d servers are known after the first look, want both", s.Servers)
		}
		after(10 * time.Second)
		synctest.Wait()
		if s, open := c.Stats(), c.net.open.Load(); s.Servers != 1 || open != 1 {
			t.Fatalf("%d servers are known and %d connections open, want those of the one that stayed", s.Servers, open)
		}
		_, err := p.Holds(t.Context(), 1, 2)
		wantErr(t, err, ErrClosed)
		if _, ok := c.Load("a"); ok {
			t.Error("its load is still known")
		}
		c.pushOne("b", once(1))
	})
}

func TestServerThatIsMissingAtOneLookIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, "a")
		c.pushOne("a", once(1))
		s, _ := c.registry.Server("a")
		for range 5 {
			c.leave["a"]()
			after(11 * time.Second)
			c.leave["a"], _ = c.registry.Join(t.Context(), s)
			after(11 * time.Second)
		}
		synctest.Wait()
		if _, ok := c.Load("a"); !ok {
			t.Error("the server was forgotten though it was listed at every second look")
		}
	})
}

func TestServerAtANewAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, "a")
		c.pushOne("a", once(1))
		s, _ := c.registry.Server("a")
		old := s.PeerAddr()
		s.PeerHost = "10.9.9.9"
		c.net.listen(s.PeerAddr(), c.ingress["a"].Handle)
		c.net.listen(old, nil)
		c.leave["a"], _ = c.registry.Join(t.Context(), s)
		c.pushOne("a", once(2))
		synctest.Wait()
		if n := c.net.open.Load(); n != 1 || c.Stats().Servers != 1 {
			t.Errorf("%d connections, %d servers, want one of each", n, c.Stats().Servers)
		}
	})
}

func TestKeepLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.KeepLoads = true }, "a", "b")
		c.servers["b"].set(func(s *fakeServer) { s.load = route.Load{Conns: 17} })
		after(10*time.Second + time.Millisecond)
		synctest.Wait()
		if l, ok := c.Load("b"); !ok || l.Conns != 17 {
			t.Fatalf("load %+v, %v though nobody asked it anything", l, ok)
		}
		after(time.Minute)
		synctest.Wait()
		if n := c.requests("a"); n != 7 {
			t.Errorf("%d requests in 70 s, want one at each look", n)
		}
	})
}

func TestCloseFailsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.Shards = 1 }, "a")
		c.net.setDeaf(c.address("a"), true)
		p := c.peer("a")
		var calls later
		for range 5 {
			calls.push(p, once(1))
		}
		if d := took(c.Close); d != 0 {
			t.Errorf("Close took %v", d)
		}
		errs := calls.wait()
		if len(errs) != 5 {
			t.Fatalf("%d calls ended", len(errs))
		}
		for _, err := range errs {
			if err == nil {
				t.Error("a call succeeded")
			}
		}
		_, err := p.Holds(t.Context(), 1, 2)
		wantErr(t, err, ErrClosed)
		s, _ := c.registry.Server("a")
		if _, ok := c.Peer(s); ok {
			t.Error("a peer after Close")
		}
		if q := c.Stats().Queued; q != 0 {
			t.Errorf("%d bytes are left", q)
		}
	})
}

func TestConfig(t *testing.T) {
	good := func() Config {
		return Config{Instance: "a", Secrets: secrets(t, testSecret), Servers: newCluster(t, nil).registry}
	}
	for name, spoil := range map[string]func(*Config){
		"no instance":    func(c *Config) { c.Instance = "" },
		"no secrets":     func(c *Config) { c.Secrets = nil },
		"no servers":     func(c *Config) { c.Servers = nil },
		"negative time":  func(c *Config) { c.FailFast = -1 },
		"negative count": func(c *Config) { c.Shards = -1 },
		"negative queue": func(c *Config) { c.QueueBytes = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good()
			spoil(&cfg)
			_, err := New(cfg)
			wantErr(t, err, ErrConfig)
		})
	}
	cfg := good()
	if err := cfg.complete(); err != nil || cfg.Timeout != time.Second || cfg.FailFast != 5*time.Second || cfg.Idle != 10*time.Second {
		t.Fatalf("%v, defaults %+v", err, fmt.Sprint(cfg.Timeout, cfg.FailFast, cfg.Idle))
	}
}
