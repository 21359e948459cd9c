package bench

import (
	"encoding/binary"
	"time"

	cimpb "cim/proto"
)

// sendJob is what a worker of a Send run has to know besides where to connect. The first half of its
// share's users and the second one write to each other.
type sendJob struct {
	Size  int           `json:"size"` // bytes of a payload
	QoS   cimpb.QoS     `json:"qos"`
	Rate  float64       `json:"rate"`     // messages a second, of this worker; 0: as credit allows
	First uint64        `json:"first"`    // id of each user's first message: no earlier run had it
	Drain time.Duration `json:"drain_ns"` // for what is under way at the end
}

// sendResult is what a worker of a Send run measured.
type sendResult struct {
	InTime  SendCounts    `json:"in_time"` // when the last message was written
	Window  time.Duration `json:"window_ns"`
	CPU     time.Duration `json:"cpu_ns"`  // of the worker, from the first message to the end
	Sent    string        `json:"sent"`    // histogram: due to SENT
	Arrived string        `json:"arrived"` // histogram: due to delivery
	Across  int           `json:"across"`  // pairs whose users are on two servers
}

// payloadHead is what every payload begins with: the message's id, as its sender counts.
const payloadHead = 8

func putPayloadID(payload []byte, id uint64) { binary.BigEndian.PutUint64(payload, id) }

func payloadID(payload []byte) (id uint64, ok bool) {
	if len(payload) < payloadHead {
		return 0, false
	}
	return binary.BigEndian.Uint64(payload), true
}

// firstMessageID leaves each user 2,048 ids a millisecond until the ids of the next run begin, below 2^53.
func firstMessageID(now time.Time) uint64 { return uint64(now.UnixMilli()) << 11 }

// pacing says when the messages of a worker are due: user u of users has the turns u, u+users, u+2*users and so on.
type pacing struct {
	begin time.Duration
	rate  float64 // a second, of all users
	users int
}

func (p pacing) due(turn int64) time.Duration {
	return p.begin + time.Duration(float64(turn)/p.rate*float64(time.Second))
}

func (p pacing) user(turn int64) int { return int(turn % int64(p.users)) }

// dueOf is when the user's n-th message is due.
func (p pacing) dueOf(user int, n int64) time.Duration { return p.due(n*int64(p.users) + int64(user)) }
