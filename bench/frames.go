package bench

import (
	"cim/netcore/frame"
)

// frameLimit is the largest frame that the swarm reads: the servers' default, and room for the fields
// around a message.
const frameLimit = 128 << 10

// eachFrame hands the complete frames of buf to fn, in order, and returns how many bytes they took. fn
// returns false to stop. Errors: those of frame.Next.
func eachFrame(buf []byte, fn func(payload []byte) bool) (taken int, err error) {
	for {
		payload, n, err := frame.Next(buf[taken:], frameLimit)
		if err != nil || n == 0 {
			return taken, err
		}
		taken += n
		if !fn(payload) {
			return taken, nil
		}
	}
}

// isPong reports the one payload that matters for speed: the answer to a PING of a session with hello.
func isPong(payload []byte) bool {
	return len(payload) == 2 && payload[0] == frame.Ping[1] && payload[1] == frame.Ping[2]
}

// keep holds on to the beginning of a frame whose end has not come. It reuses nothing, so that an idle
// connection keeps no buffer.
func keep(rest []byte) []byte {
	if len(rest) == 0 {
		return nil
	}
	return append(make([]byte, 0, len(rest)), rest...)
}
