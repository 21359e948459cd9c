package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cim/client/routes"
	cimpb "cim/proto"
)

// fleet is several routes in front of one fake. The one that is asked first, whichever that is, does what fail says.
type fleet struct {
	*fake

	mu     sync.Mutex
	first  string
	last   string   // who was asked last
	asked  []string // hosts, in order, since told was called
	fail   func(r *http.Request) (*http.Response, error)
	failed int // requests to the first
}

const twoRoutes = "http://a.test, http://b.test"

// RoundTrip implements http.RoundTripper.
func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	if f.first == "" {
		f.first = r.URL.Host
	}
	f.last = r.URL.Host
	f.asked = append(f.asked, r.URL.Host)
	fail := f.fail
	if r.URL.Host != f.first {
		fail = nil
	} else if fail != nil {
		f.failed++
	}
	f.mu.Unlock()
	if fail != nil {
		return fail(r)
	}
	return f.fake.RoundTrip(r)
}

// told is where requests went since it was called last.
func (f *fleet) told() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, host := range f.asked {
		if host == f.first {
			all = append(all, "first")
		} else {
			all = append(all, "other")
		}
	}
	f.asked = nil
	return strings.Join(all, " ")
}

// turn makes the route that answers the one that fails, and has it fail so; nil: none fails.
func (f *fleet) turn(fail func(*http.Request) (*http.Response, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.first, f.fail, f.asked = f.last, fail, nil
}

// over has the options use all routes.
func (f *fleet) over(o *Options) { o.Route, o.HTTP = twoRoutes, &http.Client{Transport: f} }

// fleetBubble is tokenBubble with two routes.
func fleetBubble(t *testing.T, secret string, f func(t *testing.T, s *fleet)) {
	t.Helper()
	tokenBubble(t, secret, func(t *testing.T, s *fake) { f(t, &fleet{fake: s}) })
}

func refused(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

// lost is a request that was executed; its answer did not come.
func (f *fleet) lost(r *http.Request) (*http.Response, error) {
	_, _ = f.fake.RoundTrip(r)
	return nil, errors.New("connection reset by peer")
}

// hangs until nobody waits any more.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func answersOf(status int, code string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		refuseHTTP(rec, status, code, "It is "+code+".", "")
		return rec.Result(), nil
	}
}

func TestAnotherRouteIsAsked(t *testing.T) {
	for name, tt := range map[string]struct {
		fail func(f *fleet) func(*http.Request) (*http.Response, error)
		took time.Duration
	}{
		"refused":     {func(*fleet) func(*http.Request) (*http.Response, error) { return refused }, 0},
		"reset":       {func(f *fleet) func(*http.Request) (*http.Response, error) { return f.lost }, 0},
		"hanging":     {func(*fleet) func(*http.Request) (*http.Response, error) { return hangs }, 7500 * time.Millisecond},
		"bad gateway": {func(*fleet) func(*http.Request) (*http.Response, error) { return answersOf(502, "") }, 0},
		"no server":   {func(*fleet) func(*http.Request) (*http.Response, error) { return answersOf(503, "no_server") }, 0},
		"no store":    {func(*fleet) func(*http.Request) (*http.Response, error) { return answersOf(503, "store_unavailable") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			fleetBubble(t, "s", func(t *testing.T, f *fleet) {
				f.fail = tt.fail(f)
				began := time.Now()
				c, p := f.connect(t, newRecorder(), f.over, func(o *Options) { o.Secret = "s" })
				if took := time.Since(began); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
				if _, err := c.OnlineCount(t.Context()); err != nil {
					t.Error(err)
				}
				p.Close()
				receive(t, f.peerCh)
				if got := f.told(); got != "first other other other" {
					t.Errorf("asked %s; want the first once, and then the other for everything", got)
				}
			})
		})
	}
}

// What a route refuses, another one would refuse too.
func TestRefusalIsNotTakenToAnotherRoute(t *testing.T) {
	for _, code := range []struct {
		status int
		name   string
	}{{401, "bad_credentials"}, {403, "not_allowed"}, {429, "rate_limited"}, {500, "internal"}, {507, "disk_full"}} {
		fleetBubble(t, "s", func(t *testing.T, f *fleet) {
			f.fail = answersOf(code.status, code.name)
			o := f.options(newRecorder())
			f.over(&o)
			o.Secret = "s"
			if _, err := Connect(t.Context(), o); err == nil || CodeOf(err).String() != code.name || f.told() != "first" {
				t.Errorf("%s: %v", code.name, err)
			}
		})
	}
}

// Once it is connected, the client does not ask all of a cluster that has no room; the next attempt, after its back-off, is
// for another route.
func TestRouteThatCannotIsLeftWithTheNextCall(t *testing.T) {
	fleetBubble(t, "s", func(t *testing.T, f *fleet) {
		rec := newRecorder()
		c, p := f.connect(t, rec, f.over, func(o *Options) { o.Secret = "s" })
		rec.state(t, StateConnected)
		f.turn(answersOf(503, "no_server"))
		p.Close()
		rec.state(t, StateDisconnected)
		if s := rec.state(t, StateDisconnected); CodeOf(s.Err) != cimpb.CodeNoServer {
			t.Errorf("cut off by %v", s.Err)
		}
		receive(t, f.peerCh)
		if got := f.told(); got != "first other" {
			t.Errorf("asked %s", got)
		}
		f.turn(answersOf(503, "store_unavailable"))
		if _, err := c.OnlineCount(t.Context()); CodeOf(err) != cimpb.CodeStoreUnavailable {
			t.Errorf("OnlineCount: %v", err)
		}
		if _, err := c.OnlineCount(t.Context()); err != nil {
			t.Errorf("OnlineCount again: %v", err)
		}
	})
}

// A killed route is survived while the client runs: with its log-in when it comes back, and with the calls that it makes.
func TestRouteIsKilledInUse(t *testing.T) {
	fleetBubble(t, "s", func(t *testing.T, f *fleet) {
		c, p := f.connect(t, newRecorder(), f.over, func(o *Options) { o.Secret = "s" })
		f.turn(refused)
		p.Close()
		receive(t, f.peerCh)
		if _, err := c.OnlineCount(t.Context()); err != nil || f.failed != 1 {
			t.Errorf("%v, asked %d times", err, f.failed)
		}
		f.turn(refused) // the other one, and the first is there again
		if _, err := c.OnlineCount(t.Context()); err != nil || f.told() != "first other" {
			t.Errorf("%v", err)
		}
	})
}

func TestNoRouteAnswers(t *testing.T) {
	fleetBubble(t, "s", func(t *testing.T, f *fleet) {
		o := f.options(newRecorder())
		o.Route, o.Secret = twoRoutes, "s"
		o.HTTP = &http.Client{Transport: roundTrip(refused)}
		_, err := Connect(t.Context(), o)
		e, ok := errors.AsType[*routes.Error](err)
		if !ok || len(e.Failures) != 2 || !errors.Is(err, ErrUnreachable) || !strings.HasPrefix(err.Error(), "log in at one of the routes: http://") ||
			!strings.Contains(err.Error(), "http://a.test: dial tcp: connection refused") || !strings.Contains(err.Error(), "http://b.test: dial tcp: connection refused") {
			t.Errorf("Connect: %v", err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The account was made and its secret is lost with the answer: the name is taken, and by whom is not known.
func TestRegistrationWhoseAnswerIsLost(t *testing.T) {
	fleetBubble(t, "", func(t *testing.T, f *fleet) {
		f.fail = f.lost
		o := f.options(newRecorder())
		f.over(&o)
		_, err := Connect(t.Context(), o)
		if CodeOf(err) != cimpb.CodeNameTaken || !strings.Contains(err.Error(), "maybe by this registration") || f.told() != "first other" {
			t.Errorf("Connect: %v", err)
		}
	})
	fleetBubble(t, "", func(t *testing.T, f *fleet) { // one that was not made is made by the other
		f.fail = func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset by peer") }
		kept := secretsByRoute{}
		f.connect(t, newRecorder(), f.over, func(o *Options) { o.Secrets = kept })
		if kept["http://a.test alice"] != "secret-1" || len(kept) != 1 {
			t.Errorf("kept %v", kept)
		}
	})
}

// secretsByRoute is a SecretStore for one Client.
type secretsByRoute map[string]string

func (s secretsByRoute) Load(route, user string) (string, error) { return s[route+" "+user], nil }

func (s secretsByRoute) Save(route, user, secret string) error {
	s[route+" "+user] = secret
	return nil
}

// The same routes in another order have the same secrets, and so has one of them with others.
func TestSecretIsFoundUnderEachRoute(t *testing.T) {
	for name, tt := range map[string]struct {
		route string
		kept  secretsByRoute
		after []string // under which there is a new secret
	}{
		"the first":      {"http://a,http://b", secretsByRoute{"http://a alice": "s"}, nil},
		"the second":     {"http://a,http://b", secretsByRoute{"http://b alice": "s"}, nil},
		"both":           {"http://b,http://a", secretsByRoute{"http://a alice": "old", "http://b alice": "s"}, nil},
		"one of another": {"http://c,http://a/", secretsByRoute{"http://a/ alice": "s"}, nil},
		"none":           {"http://b,http://a", secretsByRoute{"http://c alice": "s"}, []string{"http://b alice"}},
	} {
		t.Run(name, func(t *testing.T) {
			secret := "s"
			if tt.after != nil {
				secret = ""
			}
			fleetBubble(t, secret, func(t *testing.T, f *fleet) {
				f.connect(t, newRecorder(), f.over, func(o *Options) { o.Route, o.Secrets = tt.route, tt.kept })
				var fresh []string
				for key, value := range tt.kept {
					if strings.HasPrefix(value, "secret-") {
						fresh = append(fresh, key)
					}
				}
				if !slices.Equal(fresh, tt.after) {
					t.Errorf("kept %v", tt.kept)
				}
			})
		})
	}
}

// A route whose certificate is not trusted is not reached, and the text says why for each.
func TestTLSWithOneOfTheRoutes(t *testing.T) {
	s, o, _, trust := overTLS(t)
	o.TLS = trust
	good := o.Route
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	notTLS := "https" + strings.TrimPrefix(plain.URL, "http")
	o.Route = notTLS + "," + good
	for range 4 { // whichever is asked first
		c, err := Connect(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		receive(t, s.peerCh)
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	o.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	_, err := Connect(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), notTLS+" does not speak TLS") ||
		!strings.Contains(err.Error(), "the certificate of "+good+" is signed by nobody") {
		t.Errorf("Connect: %v", err)
	}
}

// A kept secret may be that of another route in the list: where it is refused, no new one takes its place.
func TestKeptSecretThatOneOfSeveralRoutesRefuses(t *testing.T) {
	for name, code := range map[string]cimpb.Code{
		"another secret":             cimpb.CodeBadCredentials,
		"no such user":               cimpb.CodeUnknownUser,
		"no such user, told at once": cimpb.CodeUnknownAccount,
	} {
		t.Run(name, func(t *testing.T) {
			fleetBubble(t, "", func(t *testing.T, s *fleet) {
				kept := &memorySecrets{secret: "of the other route"}
				s.fail = answersOf(http.StatusUnauthorized, code.String())
				o := s.options(newRecorder())
				o.Secrets = kept
				s.over(&o)
				_, err := Connect(t.Context(), o)
				if CodeOf(err) != code || !strings.Contains(err.Error(), "may not be of one cluster") {
					t.Errorf("Connect: %v", err)
				}
				if kept.hasSave || kept.secret != "of the other route" || s.told() != "first" {
					t.Errorf("the kept secret became %q", kept.secret)
				}
			})
		})
	}
}
