package httpapi

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cim/route"
)

var _ Router = (*route.Router)(nil)

// fakeRouter keeps everything in memory and delivers to whom online names.
type fakeRouter struct {
	mu       sync.Mutex
	accounts []route.Account
	online   []int64
	held     map[int64]bool
	sends    []route.Send
	inbox    map[int64]uint64 // last seq
	dedup    map[string]uint64
	problems []route.Problem
	noServer bool
	// What Place answers.
	tls       bool
	notBefore time.Time
	logouts   []int64
	fetches   []int64
	pages     []int // limits that Online was asked with

	err     error            // of every call
	errTo   map[int64]error  // of one receiver
	entered chan struct{}    // when not nil: OnlineCount says that it runs and waits for its context
	mute    bool             // what is not stored reaches nobody, without a word
	panics  bool             // OnlineCount panics
	names   map[string]error // of Register
	endErr  error            // of ending a session after its secret was replaced

	secrets    map[int64]route.SecretHash
	generation map[int64]uint64 // what is above 1
}

func newFakeRouter() *fakeRouter {
	return &fakeRouter{
		secrets:    map[int64]route.SecretHash{1: route.HashSecret(aliceSecret), 2: route.HashSecret(bobSecret)},
		generation: map[int64]uint64{},
		accounts:   []route.Account{{ID: 1, Name: "alice"}, {ID: 2, Name: "bob"}, {ID: 3, Name: "sensor", Kind: route.Device}},
		online:     []int64{1, 2},
		held:       map[int64]bool{}, inbox: map[int64]uint64{}, dedup: map[string]uint64{}, errTo: map[int64]error{},
		names: map[string]error{"bad;name": route.ErrInvalidName},
	}
}

func (f *fakeRouter) Register(_ context.Context, name string, kind route.Kind, secret route.SecretHash) (route.Account, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics {
		panic("register")
	}
	if err := f.names[name]; err != nil || f.err != nil {
		return route.Account{}, false, cmpErr(err, f.err)
	}
	if i := f.index(func(a route.Account) bool { return a.Name == name }); i >= 0 {
		return f.accounts[i], false, nil
	}
	a := route.Account{ID: int64(len(f.accounts) + 1), Name: name, Kind: kind}
	f.accounts = append(f.accounts, a)
	f.secrets[a.ID] = secret
	return a, true, nil
}

// Secrets of the accounts that are there from the start; alice's is the one of openapi.yaml.
const (
	aliceSecret = "q0JpZ1NlY3JldE9mQWxpY2VfMDEyMzQ1Njc4OWFiY2Q"
	bobSecret   = "bobs"
)

func (f *fakeRouter) Credentials(_ context.Context, id int64) (route.Credentials, error) {
	a, err := f.find(func(a route.Account) bool { return a.ID == id })
	return route.Credentials{Account: a, Secret: f.secrets[id], Generation: 1 + f.generation[id]}, err
}

func (f *fakeRouter) Authenticate(ctx context.Context, id int64, name, secret string) (route.Credentials, error) {
	a, err := f.find(func(a route.Account) bool { return (id == 0 || a.ID == id) && (name == "" || a.Name == name) })
	if err != nil && !errors.Is(err, route.ErrUnknownUser) {
		return route.Credentials{}, err
	}
	if err != nil || !f.secrets[a.ID].Equal(route.HashSecret(secret)) {
		return route.Credentials{}, route.ErrBadCredentials
	}
	if a.Disabled {
		return route.Credentials{}, route.ErrDisabled
	}
	return f.Credentials(ctx, a.ID)
}

func (f *fakeRouter) ReplaceSecret(ctx context.Context, id int64) (string, error) {
	if _, err := f.Account(ctx, id); err != nil {
		return "", err
	}
	f.secrets[id] = route.HashSecret("another")
	f.generation[id]++
	return "another", f.endErr
}

func (f *fakeRouter) SetDisabled(ctx context.Context, id int64, disabled bool) error {
	if _, err := f.Account(ctx, id); err != nil {
		return err
	}
	f.accounts[f.index(func(a route.Account) bool { return a.ID == id })].Disabled = disabled
	return nil
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (f *fakeRouter) index(match func(route.Account) bool) int {
	return slices.IndexFunc(f.accounts, match)
}

func (f *fakeRouter) find(match func(route.Account) bool) (route.Account, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return route.Account{}, f.err
	}
	if i := f.index(match); i >= 0 {
		return f.accounts[i], nil
	}
	return route.Account{}, route.ErrUnknownUser
}

func (f *fakeRouter) Account(_ context.Context, id int64) (route.Account, error) {
	return f.find(func(a route.Account) bool { return a.ID == id })
}

func (f *fakeRouter) AccountByName(_ context.Context, name string) (route.Account, error) {
	return f.find(func(a route.Account) bool { return a.Name == name })
}

func (f *fakeRouter) AccountsByPrefix(_ context.Context, prefix string, limit int) ([]route.Account, error) {
	var found []route.Account
	for _, a := range f.accounts {
		if strings.HasPrefix(a.Name, prefix) && len(found) < limit {
			found = append(found, a)
		}
	}
	return found, f.err
}

var fakeServer = route.Server{Instance: "i1", Host: "10.0.0.9", Port: 11211, HTTPPort: 8081}

func (f *fakeRouter) Place(context.Context, int64) (route.Server, route.Admission, error) {
	if f.noServer {
		return route.Server{}, route.Admission{}, route.ErrNoServer
	}
	s := fakeServer
	s.TLS = f.tls
	return s, route.Admission{NotBefore: f.notBefore}, f.err
}

func (f *fakeRouter) Reserve(ctx context.Context, user int64, name string) (route.Server, error) {
	a, err := f.Account(ctx, user)
	switch {
	case err != nil:
		return route.Server{}, err
	case a.Name != name:
		return route.Server{}, route.ErrNameMismatch
	case f.noServer:
		return route.Server{}, route.ErrNoServer
	case f.held[user]:
		return route.Server{}, route.ErrHeld
	}
	f.held[user] = true
	return fakeServer, nil
}

func (f *fakeRouter) Logout(_ context.Context, user int64) error {
	f.logouts = append(f.logouts, user)
	delete(f.held, user)
	return f.err
}

func (f *fakeRouter) Deliver(_ context.Context, sends []route.Send) []route.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]route.Outcome, len(sends))
	for i, s := range sends {
		f.sends = append(f.sends, s)
		out[i] = f.deliver(s)
	}
	return out
}

func (f *fakeRouter) deliver(s route.Send) route.Outcome {
	online := slices.Contains(f.online, s.To)
	switch {
	case f.err != nil:
		return route.Outcome{Err: f.err}
	case s.Everyone:
		others := slices.DeleteFunc(slices.Clone(f.online), func(id int64) bool { return id == s.From })
		return route.Outcome{Reached: len(others)}
	case f.errTo[s.To] != nil:
		return route.Outcome{Err: f.errTo[s.To], Online: online}
	case f.index(func(a route.Account) bool { return a.ID == s.To }) < 0:
		return route.Outcome{Err: route.ErrUnknownUser}
	case s.QoS == route.AtLeastOnce:
		return f.store(s, online)
	case f.mute:
		return route.Outcome{}
	case !online:
		return route.Outcome{Err: route.ErrOffline}
	}
	return route.Outcome{Online: true, Reached: 1}
}

func (f *fakeRouter) store(s route.Send, online bool) route.Outcome {
	o := route.Outcome{Stored: true, LogEpoch: 7, Online: online}
	key := strconv.FormatInt(s.To, 10) + "/" + strconv.FormatUint(s.ClientMsgID, 10)
	if seq := f.dedup[key]; seq != 0 && s.ClientMsgID != 0 {
		o.Seq, o.Duplicate = seq, true
		return o
	}
	f.inbox[s.To]++
	f.dedup[key] = f.inbox[s.To]
	o.Seq = f.inbox[s.To]
	return o
}

// Online gives one user a page, however many were asked for.
func (f *fakeRouter) Online(_ context.Context, cursor string, limit int) ([]route.Account, string, error) {
	f.pages = append(f.pages, limit)
	at := 0
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil {
			return nil, "", route.ErrInvalidCursor
		}
		at = n
	}
	if f.err != nil || at >= len(f.online) {
		return nil, "", f.err
	}
	i := f.index(func(a route.Account) bool { return a.ID == f.online[at] })
	next := ""
	if at+1 < len(f.online) {
		next = strconv.Itoa(at + 1)
	}
	return f.accounts[i : i+1], next, nil
}

func (f *fakeRouter) OnlineCount(ctx context.Context) (int, error) {
	if f.panics {
		panic("count")
	}
	if f.entered != nil {
		close(f.entered)
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return len(f.online), f.err
}

func (f *fakeRouter) FetchOffline(_ context.Context, user int64) error {
	f.fetches = append(f.fetches, user)
	if f.err == nil && !slices.Contains(f.online, user) {
		return route.ErrOffline
	}
	return f.err
}

func (f *fakeRouter) Ready(context.Context) []route.Problem { return f.problems }
