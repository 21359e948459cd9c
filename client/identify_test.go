package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	cimpb "cim/proto"
)

// memorySecrets is a SecretStore for one account.
type memorySecrets struct {
	loadErr, saveErr error

	mu      sync.Mutex
	secret  string
	user    string // of the last call
	onLoad  func(m *memorySecrets)
	loads   int
	hasSave bool
}

func (m *memorySecrets) Load(_, user string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	m.user = user
	if m.onLoad != nil {
		m.onLoad(m)
	}
	return m.secret, m.loadErr
}

func (m *memorySecrets) Save(_, user, secret string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.user, m.secret, m.hasSave = user, secret, true
	return m.saveErr
}

// tokenBubble is bubble with a route that asks for secrets; alice is registered where secret says so.
func tokenBubble(t *testing.T, secret string, f func(t *testing.T, s *fake)) {
	t.Helper()
	bubble(t, func(t *testing.T, s *fake) {
		s.secrets = map[string]string{}
		if secret != "" {
			s.secrets["alice"] = secret
		}
		s.mux.HandleFunc("GET /v1/online/count", s.serveCount)
		f(t, s)
	})
}

func TestFirstUseRegistersAndKeepsTheSecret(t *testing.T) {
	tokenBubble(t, "", func(t *testing.T, s *fake) {
		kept := &memorySecrets{}
		// The secret has to be safe before it is used: nobody tells it a second time.
		s.login = func(int, http.ResponseWriter) bool {
			if kept.secret != "secret-1" {
				t.Errorf("log-in while %q is kept", kept.secret)
			}
			return false
		}
		c, p := s.connect(t, newRecorder(), func(o *Options) { o.Secrets = kept })
		if c.Me().ID != aliceID || p.login.UserId != aliceID || p.login.GetHello().GetToken() != "ticket-1" {
			t.Errorf("LOGIN of %d as %+v with %q", p.login.UserId, c.Me(), p.login.GetHello().GetToken())
		}
		if kept.user != "alice" || s.bearer != "" || s.logins != 1 {
			t.Errorf("kept for %q, %d log-ins, Authorization %q", kept.user, s.logins, s.bearer)
		}
	})
}

func TestSecretLogsIn(t *testing.T) {
	for name, set := range map[string]func(o *Options, kept *memorySecrets){
		"kept":             func(_ *Options, kept *memorySecrets) { kept.secret = "s" },
		"given":            func(o *Options, kept *memorySecrets) { o.Secret, kept.secret = "s", "another" },
		"kept, with an id": func(o *Options, kept *memorySecrets) { o.Name, o.UserID, kept.secret = "", aliceID, "s" },
		"given, with both": func(o *Options, _ *memorySecrets) { o.UserID, o.Secret = aliceID, "s" },
		"an access token":  func(o *Options, _ *memorySecrets) { o.UserID, o.Token = aliceID, "access-0" },
		"kept by another process meanwhile": func(_ *Options, kept *memorySecrets) {
			kept.onLoad = func(m *memorySecrets) {
				if m.loads == 2 {
					m.secret = "s"
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			tokenBubble(t, "s", func(t *testing.T, s *fake) {
				kept := &memorySecrets{}
				s.access = "access-0"
				c, p := s.connect(t, newRecorder(), func(o *Options) {
					o.Secrets = kept
					set(o, kept)
				})
				if c.Me().ID != aliceID || p.login.UserId != aliceID || s.logins != 1 || kept.hasSave {
					t.Errorf("LOGIN of %d as %+v after %d log-ins; saved: %t", p.login.UserId, c.Me(), s.logins, kept.hasSave)
				}
				if n, err := c.OnlineCount(t.Context()); n != 3 || err != nil {
					t.Errorf("OnlineCount = %d, %v", n, err)
				}
			})
		})
	}
}

func TestCredentialsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(s *fake, o *Options, kept *memorySecrets)
		code cimpb.Code
		says string
	}{
		{"the name of somebody else", func(*fake, *Options, *memorySecrets) {}, cimpb.CodeNameTaken, `"alice" belongs to somebody: choose another`},
		{"a wrong secret that was given", func(_ *fake, o *Options, _ *memorySecrets) { o.Secret = "x" }, cimpb.CodeBadCredentials, "Wrong."},
		{"a wrong secret that was kept", func(_ *fake, _ *Options, k *memorySecrets) { k.secret = "x" }, cimpb.CodeBadCredentials, "Wrong."},
		{"an id alone", func(_ *fake, o *Options, _ *memorySecrets) { o.Name, o.UserID = "", aliceID }, cimpb.CodeBadCredentials, "Wrong."},
		{"secrets that cannot be read", func(_ *fake, _ *Options, k *memorySecrets) { k.loadErr = errors.New("no disk") }, 0, "no disk"},
		{"a secret that cannot be kept", func(s *fake, _ *Options, k *memorySecrets) {
			delete(s.secrets, "alice")
			k.saveErr = errors.New("no disk")
		}, 0, "its secret is lost"},
		{"a given secret of a name that is free", func(s *fake, o *Options, _ *memorySecrets) {
			delete(s.secrets, "alice")
			o.Secret = "x"
		}, cimpb.CodeBadCredentials, "Wrong."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tokenBubble(t, "s", func(t *testing.T, s *fake) {
				kept := &memorySecrets{}
				o := s.options(newRecorder())
				o.Secrets = kept
				tt.set(s, &o, kept)
				before := kept.secret
				_, err := Connect(t.Context(), o)
				if err == nil || CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("Connect: %v (code %v), want code %v and %q", err, CodeOf(err), tt.code, tt.says)
				}
				if kept.secret != before && kept.saveErr == nil || s.dials != 0 {
					t.Errorf("the kept secret became %q after %d dials", kept.secret, s.dials)
				}
			})
		})
	}
}

// A route that was started without its old data knows neither the name nor the secret.
func TestKeptSecretOfARouteWithoutItsData(t *testing.T) {
	tokenBubble(t, "", func(t *testing.T, s *fake) {
		kept := &memorySecrets{secret: "old"}
		c, _ := s.connect(t, newRecorder(), func(o *Options) { o.Secrets = kept })
		if c.Me().ID != aliceID || kept.secret != "secret-1" {
			t.Errorf("%+v, and %q is kept", c.Me(), kept.secret)
		}
	})
}

// A route that asks for no secrets takes who has one as it takes everybody.
func TestKeptSecretIsNotAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		s.mux.HandleFunc("GET /v1/online/count", s.serveCount)
		s.login = func(n int, w http.ResponseWriter) bool {
			if n == 0 {
				refuseHTTP(w, http.StatusNotFound, "unknown_user", "Nobody.", "")
			}
			return n == 0
		}
		c, p := s.connect(t, newRecorder(), func(o *Options) { o.Secrets = &memorySecrets{secret: "old"} })
		if c.Me().ID != aliceID || p.login.UserId != aliceID || s.logins != 2 {
			t.Errorf("LOGIN of %d as %+v after %d log-ins", p.login.UserId, c.Me(), s.logins)
		}
		if _, err := c.OnlineCount(t.Context()); err != nil || s.logins != 2 {
			t.Errorf("OnlineCount: %v after %d log-ins", err, s.logins)
		}
	})
}

func TestReconnectShowsTheSecretAndANewTicket(t *testing.T) {
	tokenBubble(t, "s", func(t *testing.T, s *fake) {
		_, p := s.connect(t, newRecorder(), func(o *Options) { o.Secret = "s" })
		p.Close()
		p = receive(t, s.peerCh)
		if got := p.login.GetHello().GetToken(); got != "ticket-2" || s.count(&s.logins) != 2 {
			t.Errorf("came back with %q after %d log-ins", got, s.count(&s.logins))
		}
	})
}

func TestReplacedSecretEndsTheClient(t *testing.T) {
	tokenBubble(t, "s", func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder(), func(o *Options) { o.Secret = "s" })
		s.set(func() { s.secrets["alice"] = "new" })
		p.Close()
		receive(t, c.Done())
		if err := c.Err(); !errors.Is(err, ErrClosed) || CodeOf(err) != cimpb.CodeBadCredentials {
			t.Errorf("Err() = %v", err)
		}
	})
}

func TestAccessTokenIsRenewed(t *testing.T) {
	for name, tt := range map[string]struct {
		age    time.Duration
		spoil  bool // the route takes it back
		logins int
	}{
		"young":      {13 * time.Minute, false, 1},
		"nearly old": {14 * time.Minute, false, 2},
		"taken back": {0, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			tokenBubble(t, "s", func(t *testing.T, s *fake) {
				c, _ := s.connect(t, newRecorder(), func(o *Options) { o.Secret = "s" })
				pass(tt.age)
				if tt.spoil {
					s.set(func() { s.access = "" })
				}
				for range 2 {
					if n, err := c.OnlineCount(t.Context()); n != 3 || err != nil {
						t.Errorf("OnlineCount = %d, %v", n, err)
					}
				}
				if got := s.count(&s.logins); got != tt.logins {
					t.Errorf("%d log-ins, want %d", got, tt.logins)
				}
			})
		})
	}
}

// Many calls at the moment of the renewal are one log-in.
func TestAccessTokenIsRenewedOnce(t *testing.T) {
	tokenBubble(t, "s", func(t *testing.T, s *fake) {
		c, _ := s.connect(t, newRecorder(), func(o *Options) { o.Secret = "s" })
		pass(15 * time.Minute)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := c.OnlineCount(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := s.count(&s.logins); got != 2 {
			t.Errorf("%d log-ins, want 2", got)
		}
	})
}

func TestAccessTokenThatCannotBeRenewed(t *testing.T) {
	tokenBubble(t, "s", func(t *testing.T, s *fake) {
		c, _ := s.connect(t, newRecorder(), func(o *Options) { o.Secret = "s" })
		s.set(func() { s.secrets["alice"], s.access = "new", "" })
		if _, err := c.OnlineCount(t.Context()); CodeOf(err) != cimpb.CodeBadCredentials {
			t.Errorf("OnlineCount: %v", err)
		}
		if got := s.count(&s.asked); got != 1 {
			t.Errorf("asked %d times, want once", got)
		}
	})
}

func TestRenewalEndsWithItsContext(t *testing.T) {
	x := newAccess("old")
	x.renew = func(context.Context) error { return errors.New("two renew at once") }
	x.set("old", time.Nanosecond)
	x.turnCh <- struct{}{} // another one renews
	x.due = time.Unix(1, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.bearer(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("bearer: %v", err)
	}
}
