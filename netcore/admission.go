package netcore

import (
	"sync"
	"sync/atomic"
	"time"
)

// Admission is what became of a question for a place, as the counters show it.
type Admission uint8

const (
	admittedNow   Admission = iota // to come at once
	admittedLater                  // to come at a stated time
	admissionFull                  // the connection table is full, counted with those who are expected
	admissionBusy                  // too many come already within the time that the asker has
	admissionStopping
	admissionCount
)

var admissionNames = [admissionCount]string{"now", "later", "full", "busy", "stopping"}

// String is the name that metrics use.
func (a Admission) String() string { return admissionNames[a] }

// admission spreads logins over time, so that the users of a server that has failed do not come to the others all
// at once. It is a token bucket written as the time of the next free place (the virtual scheduling of ITU-T I.371,
// annex A), so that places of the future can be given away. Whoever was given one counts as a connection until
// they connect or expectedFor has passed; nothing is kept of a user, only how many were expected until each second.
type admission struct {
	// immutable after New
	interval time.Duration // between two places
	burst    time.Duration // that unused places are kept for
	open     *atomic.Int64 // connections; added to under mu, so that nobody is counted twice or not at all
	ceiling  int64         // of open and expected

	mu       sync.Mutex
	next     time.Time            // the next free place
	until    [admissionRing]int64 // expected until that second, by second modulo the size
	seconds  [admissionRing]int64 // which second an entry is of
	expected int                  // sum of until

	// atomic
	outcomes [admissionCount]atomic.Uint64
}

func newAdmission(cfg *Config, open *atomic.Int64) *admission {
	interval := time.Second / time.Duration(cfg.AdmitRate)
	return &admission{
		interval: interval, burst: interval * time.Duration(cfg.AdmitBurst), open: open, ceiling: int64(cfg.MaxConns),
	}
}

// Expect gives a place to a user who is about to log in. within is how late they may be asked to come, at most
// 60 s; notBefore is when, and zero for at once. The place counts as a connection until they connect, or until
// 10 s after that. Errors: ErrFull, ErrBusy, ErrStopping.
func (s *Server) Expect(within time.Duration) (notBefore time.Time, err error) {
	now := time.Now()
	notBefore, outcome := time.Time{}, admissionStopping
	if !s.Leaving() {
		notBefore, outcome = s.admission.take(now, within)
	}
	s.admission.outcomes[outcome].Add(1)
	return notBefore, admissionErrors[outcome]
}

var admissionErrors = [admissionCount]error{
	admissionFull: ErrFull, admissionBusy: ErrBusy, admissionStopping: ErrStopping,
}

// take gives away the next place.
func (a *admission) take(now time.Time, within time.Duration) (notBefore time.Time, outcome Admission) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expire(now)
	if a.open.Load()+int64(a.expected) >= a.ceiling {
		return time.Time{}, admissionFull
	}
	at := a.next
	if oldest := now.Add(-a.burst); at.Before(oldest) {
		at = oldest
	}
	wait := at.Sub(now)
	if wait > min(within, admissionWithin) {
		return time.Time{}, admissionBusy
	}
	a.next = at.Add(a.interval)
	if wait <= 0 {
		a.add(now.Add(expectedFor))
		return time.Time{}, admittedNow
	}
	a.add(at.Add(expectedFor))
	return at, admittedLater
}

// add must run with mu held, after expire.
func (a *admission) add(until time.Time) {
	second := until.Unix()
	i := second % admissionRing
	a.seconds[i] = second
	a.until[i]++
	a.expected++
}

// expire must run with mu held.
func (a *admission) expire(now time.Time) {
	if a.expected == 0 {
		return
	}
	for i := range a.until {
		if a.seconds[i] < now.Unix() {
			a.expected -= int(a.until[i])
			a.until[i] = 0
		}
	}
}

// came counts a new connection in place of one that was expected, and returns how many are open. Whose it is does
// not matter: places are alike.
func (a *admission) came(now time.Time) (open int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expire(now)
	a.forgetOne(now)
	return a.open.Add(1)
}

// forgetOne must run with mu held, after expire.
func (a *admission) forgetOne(now time.Time) {
	if a.expected == 0 {
		return
	}
	first := now.Unix()
	for n := range int64(admissionRing) {
		i := (first + n) % admissionRing
		if a.until[i] > 0 {
			a.until[i]--
			a.expected--
			return
		}
	}
}

// Expected is how many users were given a place and have not come yet.
func (s *Server) Expected() int {
	s.admission.mu.Lock()
	defer s.admission.mu.Unlock()
	s.admission.expire(time.Now())
	return s.admission.expected
}
