package peer

import (
	"math"
	"time"

	cimpb "cim/proto"
	"cim/route"
)

// pushResult reads an answer.
func pushResult(r cimpb.PushResult) route.PushResult {
	switch r {
	case cimpb.PushResult_WRITTEN:
		return route.PushWritten
	case cimpb.PushResult_ABSENT:
		return route.PushAbsent
	case cimpb.PushResult_SLOW:
		return route.PushSlow
	}
	return route.PushUnknown
}

func pushAnswer(r route.PushResult) cimpb.PushResult {
	switch r {
	case route.PushWritten:
		return cimpb.PushResult_WRITTEN
	case route.PushAbsent:
		return cimpb.PushResult_ABSENT
	case route.PushSlow:
		return cimpb.PushResult_SLOW
	}
	return cimpb.PushResult_PUSH_UNSPECIFIED
}

// kickCodes are what the client of a session that ends is told.
var kickCodes = map[route.KickReason]cimpb.Code{
	route.KickReplaced:  cimpb.CodeReplaced,
	route.KickLoggedOut: cimpb.CodeLoggedOut,
	route.KickDisabled:  cimpb.CodeAccountDisabled,
}

func kickCode(why route.KickReason) uint32 { return uint32(kickCodes[why]) }

// kickReason takes a code of a newer version for a request to end the session.
func kickReason(code uint32) route.KickReason {
	for why, c := range kickCodes {
		if uint32(c) == code {
			return why
		}
	}
	return route.KickLoggedOut
}

func accountOf(e *cimpb.Expect) route.Account {
	a := route.Account{ID: e.User, Name: e.Name}
	if e.Device {
		a.Kind = route.Device
	}
	return a
}

// milliseconds rounds up, so that what is not zero does not become it.
func milliseconds(d time.Duration) uint32 {
	ms := (d + time.Millisecond - 1) / time.Millisecond
	return count(int64(ms))
}

// count fits a number into a field of the reply.
func count[T int | int64](n T) uint32 {
	return uint32(min(max(int64(n), 0), math.MaxUint32))
}
