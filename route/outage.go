package route

import (
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what is done without the Directory. docs/decisions/0011-qos0-without-the-directory.md has the reasons.
const (
	// lookAgain is how often a Directory that does not answer is asked whether it does again.
	lookAgain = time.Second
	// askRate is how many pushes a second, and at once, go to servers that may not have the receiver.
	askRate = 50_000
	// sightedMax bounds what is remembered of users, at about 100 bytes each: 7 MB, and nothing while all is well.
	sightedMax = 1 << 16
	// sightedNowhere is how long a user whom no server had is taken to be nowhere.
	sightedNowhere = time.Second
)

// outage is what is known while the Directory does not answer: when to ask it again, so that a message does not wait
// for it each time, and which server turned out to have a user, so that the others are not asked each time.
type outage struct {
	mu      sync.Mutex
	next    time.Time          // guarded by mu; when the Directory is asked again
	sighted map[int64]sighting // guarded by mu
	spare   float64            // guarded by mu; pushes of askRate that are left
	filled  time.Time          // guarded by mu; when spare was last right

	lasting atomic.Bool
	counts  askCounts
}

// sighting is where a user turned out to be.
type sighting struct {
	instance string // "": nowhere
	at       time.Time
}

// begins notes that the Directory did not answer, and reports whether that is news.
func (o *outage) begins(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = now.Add(lookAgain)
	if o.lasting.Swap(true) {
		return false
	}
	o.counts.outages.Add(1)
	return true
}

// ends notes that the Directory answered, and reports whether that is news.
func (o *outage) ends() bool {
	if !o.lasting.Load() {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sighted = nil // it was right without the Directory only
	return o.lasting.Swap(false)
}

// probeDue is true once each lookAgain: the caller has to ask the Directory.
func (o *outage) probeDue(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.lasting.Load() || now.Before(o.next) {
		return false
	}
	o.next = now.Add(lookAgain)
	return true
}

// sight notes where a user turned out to be; "" is nowhere. When too much is noted, somebody makes room.
func (o *outage) sight(user int64, instance string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.lasting.Load() {
		return
	}
	if o.sighted == nil {
		o.sighted = make(map[int64]sighting)
	}
	for id := range o.sighted {
		if len(o.sighted) < sightedMax {
			break
		}
		delete(o.sighted, id)
	}
	o.sighted[user] = sighting{instance, now}
}

// seen is where a user was last, and false when that is not known.
func (o *outage) seen(user int64, now time.Time) (instance string, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.sighted[user]
	if ok && s.instance == "" && now.Sub(s.at) >= sightedNowhere {
		return "", false
	}
	return s.instance, ok
}

// afford takes so many pushes out of askRate, or none and false.
func (o *outage) afford(pushes int, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.filled.IsZero() {
		o.spare = askRate
	} else {
		o.spare = min(askRate, o.spare+askRate*now.Sub(o.filled).Seconds())
	}
	o.filled = now
	if o.spare < float64(pushes) {
		return false
	}
	o.spare -= float64(pushes)
	return true
}
