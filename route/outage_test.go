package route

import (
	"testing"
	"time"
)

func TestSightedIsBounded(t *testing.T) {
	var o outage
	now := time.Unix(1, 0)
	o.sight(1, "s1", now)
	if _, ok := o.seen(1, now); ok {
		t.Error("something is remembered while all is well")
	}
	o.begins(now)
	for user := range int64(sightedMax + 1000) {
		o.sight(user, "s1", now)
		if instance, ok := o.seen(user, now); !ok || instance != "s1" {
			t.Fatalf("user %d is at %q, %v", user, instance, ok)
		}
	}
	if n := len(o.sighted); n != sightedMax {
		t.Errorf("%d users are remembered", n)
	}
	o.sight(7, "", now)
	if instance, ok := o.seen(7, now.Add(sightedNowhere-1)); !ok || instance != "" {
		t.Errorf("who was nowhere a moment ago is at %q, %v", instance, ok)
	}
	if _, ok := o.seen(7, now.Add(sightedNowhere)); ok {
		t.Error("who was nowhere is not looked for again")
	}
	if !o.ends() || o.sighted != nil {
		t.Error("something is remembered although the outage is over")
	}
}

// One caller at a time looks whether the Directory is back, and only during an outage.
func TestProbeIsDueOnceASecond(t *testing.T) {
	var o outage
	now := time.Unix(1, 0)
	if o.probeDue(now) {
		t.Error("a look is due although nothing is wrong")
	}
	if !o.begins(now) || o.begins(now) {
		t.Error("the beginning of an outage is news once")
	}
	for _, tc := range []struct {
		after time.Duration
		want  bool
	}{{lookAgain - 1, false}, {lookAgain, true}, {lookAgain, false}, {2*lookAgain - 1, false}, {2 * lookAgain, true}} {
		if got := o.probeDue(now.Add(tc.after)); got != tc.want {
			t.Errorf("after %v a look is due: %v", tc.after, got)
		}
	}
	if o.begins(now.Add(3 * lookAgain)); o.probeDue(now.Add(3*lookAgain)) || !o.probeDue(now.Add(4*lookAgain)) {
		t.Error("a look that failed does not put the next one off")
	}
	if !o.ends() || o.ends() {
		t.Error("the end of an outage is news once")
	}
}
