package bench

import (
	"fmt"
	"sync"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// relayFault is what a relay does wrong with one message.
type relayFault int

const (
	faultNone     relayFault = iota
	faultLose                // acknowledged and not delivered
	faultDouble              // delivered under two places
	faultRepeat              // delivered twice at the same place, which is no fault
	faultSwap                // delivered behind the next one to its receiver
	faultRefuse              // SENT says overloaded
	faultUnwanted            // the same, and delivered before
	faultLate                // the same, and delivered afterwards
	faultGap                 // a place is left out
	faultSilence             // no SENT
	faultCut                 // the receiver's connection is ended
	faultForeign             // a message of somebody else comes before
)

// relay hands on the messages of a fakeServer's users.
type relay struct {
	credit uint32
	faults map[int]relayFault // by the number of the SEND in the whole run, from 1

	mu    sync.Mutex
	conns map[int64]*fakeConn
	seqs  map[int64]uint64 // last place given, by receiver
	acked map[int64]uint64
	held  map[int64][]byte // body of a swapped message
	sends int
	qos   map[cimpb.QoS]int
}

func newRelay(credit uint32, faults map[int]relayFault) *relay {
	return &relay{
		credit: credit, faults: faults, conns: map[int64]*fakeConn{}, seqs: map[int64]uint64{}, acked: map[int64]uint64{},
		held: map[int64][]byte{}, qos: map[cimpb.QoS]int{},
	}
}

const relayEpoch = 5

func (r *relay) welcome(c *fakeConn, w *cimpb.Welcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c.user] = c
	w.SendCredit, w.Instance, w.Acked = r.credit, fmt.Sprint("server-", c.user%3), r.seqs[c.user]
	w.Inbox = &cimpb.Cursor{LogEpoch: relayEpoch, Seq: r.seqs[c.user]}
}

func (r *relay) take(s *fakeServer, c *fakeConn, payload []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var v frame.View
	if err := v.Parse(payload); err != nil {
		s.t.Error(err)
		return false
	}
	switch v.Cmd {
	case cimpb.Command_ACK:
		r.acked[c.user] = v.Seq
	case cimpb.Command_SEND:
		r.send(s, c, &v)
	default:
		s.t.Errorf("%s came", v.Cmd)
	}
	return true
}

// send must be called with mu held, which keeps the order of what is delivered.
func (r *relay) send(s *fakeServer, c *fakeConn, v *frame.View) {
	r.sends++
	r.qos[v.QoS]++
	fault := r.faults[r.sends]
	body := frame.AppendBody(nil, &frame.Body{From: c.user, Payload: v.Payload, QoS: v.QoS})
	if fault == faultForeign {
		r.deliver(v.ToID, frame.AppendBody(nil, &frame.Body{From: 1, Payload: v.Payload}), v.QoS)
	}
	switch fault {
	case faultLose, faultRefuse, faultLate:
	case faultSwap:
		r.held[v.ToID] = body
	case faultCut:
		r.conns[v.ToID].Close()
	case faultGap:
		r.seqs[v.ToID]++
		r.deliver(v.ToID, body, v.QoS)
	default:
		r.deliver(v.ToID, body, v.QoS)
	}
	switch fault {
	case faultDouble:
		r.deliver(v.ToID, body, v.QoS)
	case faultRepeat:
		r.seqs[v.ToID]--
		r.deliver(v.ToID, body, v.QoS)
	case faultNone:
		if held := r.held[v.ToID]; held != nil {
			delete(r.held, v.ToID)
			r.deliver(v.ToID, held, v.QoS)
		}
	}
	if fault != faultSilence {
		s.write(c, normal, frame.AppendSent(nil, &frame.Sent{ClientMsgID: v.ClientMsgID, Code: sentCode(v.QoS, fault)}))
	}
	if fault == faultLate {
		r.deliver(v.ToID, body, v.QoS)
	}
}

func sentCode(qos cimpb.QoS, fault relayFault) cimpb.Code {
	switch {
	case fault == faultRefuse || fault == faultUnwanted || fault == faultLate:
		return cimpb.CodeOverloaded
	case qos == cimpb.QoS_AT_MOST_ONCE:
		return cimpb.CodeWritten
	}
	return cimpb.CodeStored
}

func (r *relay) deliver(to int64, body []byte, qos cimpb.QoS) {
	var place frame.Cursor
	if qos == cimpb.QoS_AT_LEAST_ONCE {
		r.seqs[to]++
		place = frame.Cursor{LogEpoch: relayEpoch, Seq: r.seqs[to]}
	}
	if c := r.conns[to]; c != nil {
		c.Write(frame.AppendMessage(nil, body, place))
	}
}
