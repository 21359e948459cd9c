package netcore

import (
	"testing"
	"time"
)

func TestConfigDefaults(t *testing.T) {
	s, err := New(Config{Listen: ":0", Instance: "i", Backend: newFakeBackend()})
	if err != nil {
		t.Fatal(err)
	}
	c := s.cfg
	if c.Loops < 1 || c.MaxConns < 1 || c.Logger == nil || c.Tick != time.Second || c.IdleTimeout != 90*time.Second ||
		c.LoginTimeout != 10*time.Second || c.FrameTimeout != 30*time.Second || c.SendCredit != 32 || c.MaxFrame != 64<<10 {
		t.Errorf("%+v", c)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{Listen: ":0", Instance: "i", Backend: newFakeBackend(), MaxConns: 1}
	for name, spoil := range map[string]func(*Config){
		"no address":       func(c *Config) { c.Listen = "" },
		"no instance":      func(c *Config) { c.Instance = "" },
		"no backend":       func(c *Config) { c.Backend = nil },
		"no connections":   func(c *Config) { c.MaxConns = -1 },
		"heartbeats":       func(c *Config) { c.MinHeartbeat = 2 * time.Hour },
		"outbound limits":  func(c *Config) { c.SoftOutbound = 2 << 20 },
		"no credit":        func(c *Config) { c.SendCredit = -1 },
		"too much credit":  func(c *Config) { c.SendCredit = 1 << 16 },
		"idle within tick": func(c *Config) { c.IdleTimeout = time.Millisecond },
	} {
		bad := good
		spoil(&bad)
		if _, err := New(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

func TestTicksAreNeverEarly(t *testing.T) {
	c := Config{Tick: time.Second}
	for d, want := range map[time.Duration]int64{0: 1, 1: 2, time.Second: 2, time.Second + 1: 3, 90 * time.Second: 91} {
		if got := c.ticks(d); got != want {
			t.Errorf("%s: %d ticks, want %d", d, got, want)
		}
	}
}

func TestDefaultMaxConnsLeavesRoomForFiles(t *testing.T) {
	all, err := DefaultMaxConns(0)
	if err != nil {
		t.Skip("the file limit is too small here: ", err)
	}
	if n, err := DefaultMaxConns(all - 1); err != nil || n != 1 {
		t.Errorf("with one place left: %d, %v", n, err)
	}
	if _, err := DefaultMaxConns(all); err == nil {
		t.Error("no room for connections, and no error")
	}
}

func TestReasonsAndDropsHaveNames(t *testing.T) {
	seen := make(map[string]bool)
	for r := range reasonCount {
		if name := r.String(); name == "" || seen[name] {
			t.Errorf("reason %d is called %q", r, name)
		}
		seen[r.String()] = true
	}
	for d := range dropCount {
		if name := d.String(); name == "" || seen[name] {
			t.Errorf("drop %d is called %q", d, name)
		}
		seen[d.String()] = true
	}
}
