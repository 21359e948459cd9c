package redisstore

import (
	"strconv"

	"cim/route"
)

// reply reads the elements of a function's answer one after the other. The first that is not what is expected makes
// it bad, and everything after it zero.
type reply struct {
	rest []any
	bad  bool
}

func newReply(v any) *reply {
	rest, ok := v.([]any)
	return &reply{rest: rest, bad: !ok}
}

func (r *reply) next() any {
	if len(r.rest) == 0 {
		r.bad = true
		return nil
	}
	v := r.rest[0]
	r.rest = r.rest[1:]
	return v
}

// text reads a string; nil is the empty one.
func (r *reply) text() string {
	switch v := r.next().(type) {
	case string:
		return v
	case nil:
		return ""
	}
	r.bad = true
	return ""
}

// number reads an integer, also one that Redis keeps as text; nil is 0.
func (r *reply) number() uint64 {
	switch v := r.next().(type) {
	case int64:
		return uint64(max(0, v))
	case string:
		n, err := strconv.ParseUint(v, 10, 64)
		r.bad = r.bad || err != nil
		return n
	case nil:
		return 0
	}
	r.bad = true
	return 0
}

// location reads owner, epoch and device.
func (r *reply) location() route.Location {
	l := route.Location{Instance: r.text(), Epoch: r.number(), Device: r.text()}
	if !l.Held() {
		return route.Location{}
	}
	return l
}

// position reads log epoch, last and acked.
func (r *reply) position() route.Position {
	return route.Position{LogEpoch: r.number(), Last: r.number(), Acked: r.number()}
}

// shared reads how far the log asked is the present one.
func (r *reply) shared(asked uint64) route.Cursor {
	if len(r.rest) > 0 && r.rest[0] == nil {
		r.rest = r.rest[1:]
		return route.Cursor{}
	}
	return route.Cursor{LogEpoch: asked, Seq: r.number()}
}

// err is nil when everything was there.
func (r *reply) err() error {
	if r.bad {
		return unexpected()
	}
	return nil
}
