package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"cim/client/routes"
	cimpb "cim/proto"
)

// serveLists adds the lists of /v1: n users online, and one account.
func (s *fake) serveLists(n int) {
	s.mux.HandleFunc("GET /v1/online", func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("after"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		users, next := []Account{}, ""
		for i := from; i < n && len(users) < limit; i++ {
			users = append(users, Account{ID: int64(i + 1), Name: strconv.Itoa(i + 1)})
			next = strconv.Itoa(i + 1)
		}
		if from+len(users) == n {
			next = ""
		}
		answerJSON(w, 200, map[string]any{"users": users, "next": next})
	})
	s.mux.HandleFunc("GET /v1/online/count", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, 200, map[string]any{"count": n})
	})
	bob := Account{ID: bobID, Name: "bob", Kind: AccountUser}
	s.mux.HandleFunc("GET /v1/accounts/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != strconv.Itoa(bobID) {
			refuseHTTP(w, 404, "unknown_user", "No such user.", "")
			return
		}
		answerJSON(w, 200, bob)
	})
	s.mux.HandleFunc("GET /v1/accounts", func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case q.Get("name") == "bob":
			answerJSON(w, 200, bob)
		case q.Get("name") == "odd":
			answerJSON(w, 200, map[string]any{"hello": "I am no route"})
		case q.Get("prefix") == "b" && q.Get("limit") == "20":
			answerJSON(w, 200, map[string]any{"accounts": []Account{bob}})
		default:
			refuseHTTP(w, 404, "unknown_user", "No such user.", "")
		}
	})
}

func TestOnline(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		s.serveLists(2*pageSize + 3)
		c, _ := s.connect(t, newRecorder())
		seen := int64(0)
		for u, err := range c.Online(t.Context()) {
			if seen++; err != nil || u.ID != seen {
				t.Fatalf("user %d is %+v, %v", seen, u, err)
			}
		}
		n, err := c.OnlineCount(t.Context())
		if seen != 2*pageSize+3 || n != int(seen) || err != nil {
			t.Errorf("walked over %d users, counted %d, %v", seen, n, err)
		}
		for range c.Online(t.Context()) {
			break // must not go on
		}
	})
}

func TestLookups(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		s.serveLists(1)
		c, _ := s.connect(t, newRecorder())
		bob := Account{ID: bobID, Name: "bob", Kind: AccountUser}
		if got, err := c.Lookup(t.Context(), "bob"); err != nil || got != bob {
			t.Errorf("Lookup: %+v, %v", got, err)
		}
		if _, err := c.Lookup(t.Context(), "nobody"); CodeOf(err) != cimpb.CodeUnknownUser {
			t.Errorf("Lookup of nobody: %v", err)
		}
		if _, err := c.Lookup(t.Context(), "odd"); !errors.Is(err, errNoID) {
			t.Errorf("Lookup at something else: %v", err)
		}
		if got, err := c.LookupID(t.Context(), bobID); err != nil || got != bob {
			t.Errorf("LookupID: %+v, %v", got, err)
		}
		if _, err := c.LookupID(t.Context(), 3); CodeOf(err) != cimpb.CodeUnknownUser || err.Error() != "No such user." {
			t.Errorf("LookupID of nobody: %v", err)
		}
		if got, err := c.Find(t.Context(), "b", 20); err != nil || len(got) != 1 || got[0] != bob {
			t.Errorf("Find: %+v, %v", got, err)
		}
	})
}

func TestListsFail(t *testing.T) {
	bubble(t, func(t *testing.T, s *fake) {
		s.mux.HandleFunc("GET /v1/", func(w http.ResponseWriter, _ *http.Request) {
			refuseHTTP(w, 429, "rate_limited", "Slow down.", "2")
		})
		c, _ := s.connect(t, newRecorder())
		errs := map[string]error{}
		for _, err := range c.Online(t.Context()) {
			errs["Online"] = err
		}
		_, errs["OnlineCount"] = c.OnlineCount(t.Context())
		_, errs["Lookup"] = c.Lookup(t.Context(), "bob")
		_, errs["LookupID"] = c.LookupID(t.Context(), bobID)
		_, errs["Find"] = c.Find(t.Context(), "b", 1)
		for name, err := range errs {
			if CodeOf(err) != cimpb.CodeRateLimited {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"7", 7 * time.Second},
		{"-7", 0},
		{"soon", 0},
		{"99999999999", 0},
		{now.Add(time.Minute).Format(http.TimeFormat), time.Minute},
		{now.Add(-time.Minute).Format(http.TimeFormat), 0},
	} {
		if got := retryAfter(tt.header, now); got != tt.want {
			t.Errorf("retryAfter(%q) = %v, want %v", tt.header, got, tt.want)
		}
	}
}

// FuzzReadRefusal: whatever stands between a client and a route, its answer is an error with a text.
func FuzzReadRefusal(f *testing.F) {
	good, _ := json.Marshal(refusalBody{})
	f.Add(good, "1")
	f.Add([]byte("<html>"), "Thu, 01 Jan 1970 00:00:00 GMT")
	f.Fuzz(func(t *testing.T, raw []byte, after string) {
		answer := &routes.Answer{URL: "http://h/x", Status: 500, Header: http.Header{"Retry-After": {after}}, Body: raw}
		if e := readRefusal(answer, time.Now()); e.Error() == "" || e.RetryAfter < 0 {
			t.Errorf("%+v", e)
		}
	})
}
