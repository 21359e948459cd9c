package redisstore

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"cim/internal/redistest"
	"cim/route"
)

// TestOpenBeforeRedis: a store that nobody has asked yet needs no Redis, and goes on where it was when it comes.
func TestOpenBeforeRedis(t *testing.T) {
	server := redistest.Start(t)
	server.Kill(t)
	var log bytes.Buffer
	s, err := Open(Config{URL: urlOf(server), Timeout: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for range 3 {
		if err := s.Inspect(t.Context()); !errors.Is(err, route.ErrStoreUnavailable) || errors.Is(err, ErrRefused) {
			t.Fatalf("without a Redis: %v", err)
		}
	}
	if log.Len() > 0 {
		t.Errorf("who asks again and again is told again and again: %s", &log)
	}
	server.Restart(t)
	redistest.Until(t, "it is there", func(ctx context.Context) error { return s.Inspect(ctx) })
	if _, _, err := s.Create(t.Context(), "alice", route.User, route.SecretHash{}); err != nil {
		t.Error(err)
	}
}

// TestRefused: what waiting does not mend can be told from a Redis that is away, and says no password.
func TestRefused(t *testing.T) {
	open, closed := redistest.Start(t), redistest.Start(t)
	if err := closed.Client(t).ConfigSet(t.Context(), "requirepass", "right").Err(); err != nil {
		t.Fatal(err)
	}
	if err := open.Client(t).Do(t.Context(), "acl", "setuser", "weak", "on", ">pass", "~*", "+@all", "-function").Err(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		url string
		err error
	}{
		"may load no functions":  {"redis://weak:pass@" + open.Addr(), ErrRefused},
		"no password":            {"redis://" + closed.Addr(), ErrRefused},
		"wrong password":         {"redis://:hidden@" + closed.Addr(), ErrRefused},
		"wrong user":             {"redis://hidden:right@" + closed.Addr(), ErrRefused},
		"right":                  {"redis://:right@" + closed.Addr(), nil},
		"needless password":      {"redis://:hidden@" + open.Addr(), nil},
		"no such database":       {"redis://" + open.Addr() + "/99", ErrRefused},
		"refused by a cluster":   {"redis+cluster://:hidden@" + closed.Addr(), ErrRefused},
		"not a Cluster, no node": {"redis+cluster://127.0.0.1:1", route.ErrStoreUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(t.Context(), Config{URL: tc.url, Timeout: 5 * time.Second})
			if !errors.Is(err, tc.err) {
				t.Errorf("%v, want %v", err, tc.err)
			}
			if err == nil {
				_ = s.Close()
			} else if strings.Contains(err.Error(), "hidden") {
				t.Errorf("it says %q", err)
			}
		})
	}
}

func TestWeigh(t *testing.T) {
	const well, loading, old = "redis_version:7.2.0\r\n", "redis_version:7.2.0\r\nloading:1\r\n", "redis_version:5.0.0\r\n"
	broken := errors.New("connection refused")
	for name, tc := range map[string]struct {
		answers []string
		silent  error
		err     error
		warns   bool
	}{
		"all answer":      {answers: []string{well, well}},
		"one is silent":   {answers: []string{well}, silent: broken, warns: true},
		"all are silent":  {silent: broken, err: broken},
		"one still reads": {answers: []string{well, loading}, err: route.ErrStoreUnavailable},
		"one is too old":  {answers: []string{well, old}, err: ErrTooOld},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := &Store{cfg: Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}}
			answers, silent := map[string]string{}, map[string]error{}
			for i, text := range tc.answers {
				answers[string(rune('a'+i))] = text
			}
			if tc.silent != nil {
				silent["z"] = tc.silent
			}
			if err := s.weigh(answers, silent); !errors.Is(err, tc.err) {
				t.Errorf("%v, want %v", err, tc.err)
			}
			if got := log.Len() > 0; got != tc.warns {
				t.Errorf("it warns: %q", &log)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	got, err := Addresses("redis+sentinel://:p@r1,r2:7000/cim")
	if want := []string{"r1:26379", "r2:7000"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Addresses("http://r1"); !errors.Is(err, ErrBadURL) {
		t.Errorf("%v", err)
	}
}
