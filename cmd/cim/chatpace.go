package main

import "time"

// What a server takes from one session: 1,000 messages at once, and 500 for each second that has passed
// (docs/protocol.md). It counts time in whole seconds, so the first second may not count at all.
const (
	paceBurst = 1000
	paceRate  = 490 // a second; a little less, for seconds that are not exact
)

// pace keeps a sender below the server's limit. A refusal in the middle of a pipeline would let what is
// behind it overtake; so it is not provoked: however the server's seconds fall, between any two sends there
// are at most paceBurst, and paceRate more for each second beyond the first. The zero pace is ready.
type pace struct {
	base  time.Time
	times []float64 // of the last paceBurst sends, in seconds since base; a ring
	count int       // sends so far
	floor float64   // see wait
}

// wait says how long to wait before the next send, which is number count. With t(j) the time of send j, the
// rule asks for t(count) >= t(j) + 1 + (count-j-paceBurst)/paceRate for every j up to count-paceBurst; floor is
// the largest t(j) - j/paceRate of them. It is called once for each sent.
func (p *pace) wait(now time.Time) time.Duration {
	oldest := p.count - paceBurst
	if oldest < 0 {
		return 0
	}
	share := float64(oldest) / paceRate
	p.floor = max(p.floor, p.times[oldest%paceBurst]-share)
	return time.Duration((p.floor+1+share)*float64(time.Second)) - now.Sub(p.base)
}

// sent notes a send.
func (p *pace) sent(now time.Time) {
	if p.count == 0 {
		p.base = now
	}
	at := now.Sub(p.base).Seconds()
	if len(p.times) < paceBurst {
		p.times = append(p.times, at)
	} else {
		p.times[p.count%paceBurst] = at
	}
	p.count++
}
