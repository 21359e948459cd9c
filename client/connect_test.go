package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	cimpb "cim/proto"
)

func TestConnectRegistersAndSaysHello(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		rec := newRecorder()
		c, p := s.connect(t, rec, func(o *Options) {
			o.Kind, o.Token, o.Heartbeat = AccountDevice, "secret", 45*time.Second
		})
		if want := (Account{ID: aliceID, Name: "alice", Kind: AccountDevice}); c.Me() != want {
			t.Errorf("Me() = %+v, want %+v", c.Me(), want)
		}
		h := p.login.GetHello()
		if p.login.UserId != aliceID || p.login.Text != "alice" || h.GetVersion() != 1 || h.GetToken() != "ticket-1" ||
			h.GetDevice() != "d1" || h.GetHeartbeatMs() != 45_000 || len(h.GetCursors()) != 0 {
			t.Errorf("LOGIN is %v", p.login)
		}
		if s.kinds[0] != "device" || s.bearer != "Bearer secret" {
			t.Errorf("registered as %q with %q", s.kinds[0], s.bearer)
		}
		got := rec.state(t, StateConnected).Session
		if !got.Connected || got.Epoch != 7 || got.Instance != "i1" || got.Addr != "10.0.0.1:11211" || got.Heartbeat != beat {
			t.Errorf("session is %+v", got)
		}
		if c.Session() != got || c.Err() != nil {
			t.Errorf("Session() = %+v, Err() = %v", c.Session(), c.Err())
		}
	})
}

func TestConnectWithIDDoesNotRegister(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		c, p := s.connect(t, newRecorder(), func(o *Options) { o.Name, o.UserID = "", bobID })
		if len(s.kinds) != 0 || p.login.UserId != bobID || c.Me().ID != bobID {
			t.Errorf("registered %d accounts, LOGIN of %d", len(s.kinds), p.login.UserId)
		}
	})
}

func TestConnectRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		set   func(s *fake)
		code  cimpb.Code
		text  string
		after time.Duration
	}{
		{"by the server, for good", func(s *fake) {
			s.refuse = func(int) *cimpb.Frame {
				return &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeDuplicateSession.Status(0)}
			}
		}, cimpb.CodeDuplicateSession, cimpb.CodeDuplicateSession.Sentence(), 0},
		{"by the server, for now", func(s *fake) {
			s.refuse = func(int) *cimpb.Frame {
				return &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeServerFull.Status(1500)}
			}
		}, cimpb.CodeServerFull, cimpb.CodeServerFull.Sentence(), 1500 * time.Millisecond},
		{"by the route", func(s *fake) {
			s.login = func(_ int, w http.ResponseWriter) bool {
				refuseHTTP(w, 503, "no_server", "Nobody is home.", "3")
				return true
			}
		}, cimpb.CodeNoServer, "Nobody is home.", 3 * time.Second},
		{"by a proxy in between", func(s *fake) {
			s.login = func(_ int, w http.ResponseWriter) bool {
				http.Error(w, "<html>bad gateway", http.StatusBadGateway)
				return true
			}
		}, 0, "http://route.test/v1/login answered HTTP 502", 0},
		{"elsewhere without end", func(s *fake) {
			s.refuse = func(int) *cimpb.Frame { return &cimpb.Frame{Cmd: cimpb.Command_MOVE} }
		}, cimpb.CodeMoved, cimpb.CodeMoved.Sentence(), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fake) {
				tt.set(s)
				_, err := Connect(t.Context(), s.options(newRecorder()))
				e, ok := errors.AsType[*StatusError](err)
				if !ok || e.Code != tt.code || e.RetryAfter != tt.after || err.Error() != tt.text {
					t.Errorf("Connect: %v (%+v), want code %v, %q, after %v", err, e, tt.code, tt.text, tt.after)
				}
				if CodeOf(err) != tt.code || !errors.Is(err, &StatusError{Code: tt.code}) {
					t.Errorf("CodeOf = %v", CodeOf(err))
				}
			})
		})
	}
}

func TestConnectTriesElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		s.refuse = func(n int) *cimpb.Frame {
			if n < 2 {
				return &cimpb.Frame{Cmd: cimpb.Command_ERROR, Status: cimpb.CodeWrongServer.Status(0)}
			}
			return nil
		}
		s.connect(t, newRecorder())
		if s.logins != 3 {
			t.Errorf("%d log-ins, want one for each attempt", s.logins)
		}
	})
}

func TestConnectFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(s *fake, o *Options)
		want string
	}{
		{"invalid options", func(_ *fake, o *Options) { o.Route = "" }, "set Options.Route"},
		{"server does not answer LOGIN", func(_ *fake, o *Options) {
			o.Dialer = func(context.Context, string, string) (net.Conn, error) { return silentConn(), nil }
		}, "log in at the server 10.0.0.1:11211: no answer within"},
		{"server does not exist", func(_ *fake, o *Options) {
			o.Dialer = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") }
		}, "connect to the server: refused"},
		{"server cuts", func(_ *fake, o *Options) {
			o.Dialer = func(context.Context, string, string) (net.Conn, error) {
				a, b := net.Pipe()
				return a, b.Close()
			}
		}, "log in at the server 10.0.0.1:11211: "},
		{"server speaks something else", func(s *fake, _ *Options) {
			s.refuse = func(int) *cimpb.Frame { return &cimpb.Frame{Cmd: cimpb.Command_MESSAGE, Text: "hi"} }
		}, "does not speak this protocol"},
		{"WELCOME is damaged", func(_ *fake, o *Options) {
			o.Dialer = func(context.Context, string, string) (net.Conn, error) {
				return &scriptedConn{Conn: silentConn(), say: []byte{6, 0x18, 16, 0x3a, 2, 0xff, 0xff}}, nil
			}
		}, "read WELCOME"},
		{"answer is no JSON", func(s *fake, _ *Options) {
			s.login = func(_ int, w http.ResponseWriter) bool {
				_, _ = w.Write([]byte("<html>"))
				return true
			}
		}, "check the URL"},
		{"cursor cannot be loaded", func(_ *fake, o *Options) { o.Cursors = &memoryCursors{loadErr: errors.New("no disk")} }, "no disk"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fake) {
				o := s.options(newRecorder())
				tt.set(s, &o)
				c, err := Connect(t.Context(), o)
				if err == nil {
					t.Fatal(c.Close(t.Context()), "Connect succeeded")
				}
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Connect: %v, want %q in it", err, tt.want)
				}
			})
		})
	}
}

func TestConnectEndsWithContext(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		o := s.options(newRecorder())
		o.Dialer = func(context.Context, string, string) (net.Conn, error) { return silentConn(), nil }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Connect(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Connect: %v, want the context's error", err)
		}
	})
}

// pipeEnd takes writes and never answers.
type pipeEnd struct {
	net.Conn
}

func (pipeEnd) Write(b []byte) (int, error) { return len(b), nil }

func silentConn() net.Conn {
	a, _ := net.Pipe()
	return pipeEnd{a}
}

// scriptedConn reads what it was told to say.
type scriptedConn struct {
	net.Conn
	say []byte
}

func (c *scriptedConn) Read(b []byte) (int, error) {
	n := copy(b, c.say)
	c.say = c.say[n:]
	return n, nil
}
