package bench

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

// sendPause is how long a user who sends as credit allows stops after a refusal: servers fill their buckets each second.
const sendPause = time.Second

// traffic has the users of a swarm write to each other. All of it belongs to the swarm's loop.
type traffic struct {
	// Immutable after newTraffic.
	swarm   *swarm
	job     sendJob
	payload []byte // scratch, of the job's size

	// loop
	users    []sendUser // by place in the share
	sending  bool
	began    time.Duration
	pacing   pacing
	turn     int64 // next of pacing
	paused   []int // users, by when their pause ends
	inFlight int   // SENDs without a SENT, of all users
	buf      []byte
	cpu      time.Duration // of this process when it began
	counts   *SendCounts   // in the swarm's tally
	sents    *histogram
	arrivals *histogram
	result   *sendResult // set by finish
}

// sendUser is one end of a pair. Its flow is what it sends; what it gets is in its peer's.
type sendUser struct {
	flow        flow
	inbox       inboxPlace
	pausedUntil time.Duration
	turns       int64 // that have come and are not used
	used        int64 // turns that were used
	out         []byte
	server      string // instance
	credit      int
	inFlight    int
	ackDue      bool
	armed       bool // the poller tells when out can go on
}

func newTraffic(s *swarm, j sendJob) *traffic {
	t := &traffic{
		swarm: s, job: j, payload: make([]byte, j.Size), users: make([]sendUser, len(s.conns)),
		counts: &s.tally.Sends, sents: newHistogram(), arrivals: newHistogram(),
	}
	for i := range t.users {
		t.users[i].flow = newFlow(j.First)
	}
	return t
}

// peer is whom a user writes to: half the share away, because routes send those who log in one after the other to the
// same server for a while.
func (t *traffic) peer(place int) int { return (place + len(t.users)/2) % len(t.users) }

// welcomed notes what the server grants a user.
func (t *traffic) welcomed(place int, w *cimpb.Welcome) {
	u := &t.users[place]
	u.credit, u.server = max(1, int(w.GetSendCredit())), w.GetInstance()
	u.inbox = inboxPlace{w.GetInbox().GetLogEpoch(), w.GetAcked()}
}

// begin has everybody send.
func (t *traffic) begin() {
	t.sending, t.began, t.cpu = true, t.swarm.now(), processorTime()
	if t.job.Rate > 0 {
		t.pacing = pacing{begin: t.began, rate: t.job.Rate, users: len(t.users)}
		return
	}
	for i := range t.users {
		t.flush(i)
	}
}

// finish ends the sending. What is under way may arrive within the job's drain time.
func (t *traffic) finish() (drainBy time.Duration) {
	now := t.swarm.now()
	t.sending = false
	t.result = &sendResult{InTime: t.counts.clone(), Window: now - t.began}
	return now + t.job.Drain
}

// quiet reports whether everything that was sent is answered and has arrived.
func (t *traffic) quiet() bool { return t.inFlight == 0 && t.counts.Missing == 0 }

// nextDue is when somebody has to send by the clock.
func (t *traffic) nextDue() (due time.Duration, ok bool) {
	switch {
	case !t.sending:
		return 0, false
	case t.job.Rate > 0:
		return t.pacing.due(t.turn), true
	case len(t.paused) > 0:
		return t.users[t.paused[0]].pausedUntil, true
	}
	return 0, false
}

// sendDue has those send whose turn has come, or whose pause is over.
func (t *traffic) sendDue() {
	now := t.swarm.now()
	for due, ok := t.nextDue(); ok && due <= now; due, ok = t.nextDue() {
		var place int
		if t.job.Rate > 0 {
			place = t.pacing.user(t.turn)
			t.turn++
			t.users[place].turns++
		} else {
			place = t.paused[0]
			t.paused = t.paused[1:]
			t.users[place].pausedUntil = 0
		}
		t.flush(place)
	}
}

// flush writes what a user has to write: the rest of the last time, an ACK for all that has come, and messages.
func (t *traffic) flush(place int) {
	c, u := &t.swarm.conns[place], &t.users[place]
	if c.state != stateOpen || len(u.out) > 0 && !t.goOn(c, u) {
		return
	}
	b := t.buf[:0]
	if u.ackDue {
		u.ackDue = false
		b = frame.AppendAck(b, frame.Cursor{LogEpoch: u.inbox.epoch, Seq: u.inbox.seq})
	}
	if t.swarm.conns[t.peer(place)].state == stateOpen {
		b = t.appendSends(b, place, u)
	}
	t.buf = b
	if len(b) > 0 {
		t.write(c, u, b)
	}
}

func (t *traffic) appendSends(b []byte, place int, u *sendUser) []byte {
	for u.inFlight < u.credit {
		due, ok := t.take(place, u)
		if !ok {
			break
		}
		id := u.flow.sending(due)
		putPayloadID(t.payload, id)
		b = frame.AppendSend(b, &frame.Send{
			To: frame.TargetUser, ToID: t.swarm.job.Users[t.peer(place)].UserID, Payload: t.payload, ClientMsgID: id, QoS: t.job.QoS,
		})
		u.inFlight++
		t.inFlight++
		t.counts.Sent++
	}
	return b
}

// take uses a turn, if the user has one.
func (t *traffic) take(place int, u *sendUser) (due time.Duration, ok bool) {
	if t.job.Rate == 0 {
		return t.swarm.now(), t.sending && u.pausedUntil == 0
	}
	if u.turns == 0 {
		return 0, false
	}
	u.turns--
	due = t.pacing.dueOf(place, u.used)
	u.used++
	return due, true
}

// write sends b, and keeps what the socket has no room for: it is never more than the credit's worth of messages.
func (t *traffic) write(c *conn, u *sendUser, b []byte) {
	n, err := c.send(b)
	n = max(n, 0)
	t.counts.BytesOut += int64(n)
	switch {
	case err != nil && (c.tls != nil || !errors.Is(err, unix.EAGAIN)):
		t.swarm.readLast(c, sendReason(err))
	case n < len(b):
		u.out = append(u.out[:0], b[n:]...)
		t.arm(c, u, true)
	}
}

func sendReason(err error) string {
	if errors.Is(err, unix.EAGAIN) {
		return reasonWriteBlocked // a record of TLS cannot be finished later
	}
	return errnoReason(err)
}

// goOn writes what was left, and reports whether nothing is.
func (t *traffic) goOn(c *conn, u *sendUser) bool {
	n, err := c.send(u.out)
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		t.swarm.readLast(c, errnoReason(err))
		return false
	}
	n = max(n, 0)
	t.counts.BytesOut += int64(n)
	u.out = u.out[:copy(u.out, u.out[n:])]
	if len(u.out) > 0 {
		return false
	}
	t.arm(c, u, false)
	return true
}

// arm has the poller say when the socket has room again, or not.
func (t *traffic) arm(c *conn, u *sendUser, on bool) {
	if u.armed == on {
		return
	}
	u.armed = on
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP)
	if on {
		events |= unix.EPOLLOUT
	}
	if err := t.swarm.poller.change(int(c.fd), int(c.place), events); err != nil {
		t.swarm.drop(c, errnoReason(err))
	}
}

// frame takes a frame that is no PONG, and reports whether it was of this scenario.
func (t *traffic) frame(place int, v *frame.View) bool {
	switch v.Cmd {
	case cimpb.Command_SENT:
		t.sent(place, v)
	case cimpb.Command_MESSAGE:
		t.message(place, v)
	case cimpb.Command_SYNC:
		t.users[place].inbox.goOn(inboxPlace{v.LogEpoch, v.Seq}, readPlace(v.Follows))
	default:
		return false
	}
	return true
}

// sent books an answer to a SEND.
func (t *traffic) sent(place int, v *frame.View) {
	u, now := &t.users[place], t.swarm.now()
	code := statusCode(v.Status)
	stored := code == cimpb.CodeStored || code == cimpb.CodeWritten && t.job.QoS == cimpb.QoS_AT_MOST_ONCE
	a := u.flow.answered(v.ClientMsgID, stored)
	if !a.first {
		return
	}
	u.inFlight--
	t.inFlight--
	switch {
	case !stored && a.arrived:
		t.counts.Unwanted++
		fallthrough
	case !stored:
		t.refused(place, u, code, now)
		return
	case !a.arrived:
		t.counts.Missing++
	}
	t.counts.Acknowledged++
	t.sents.record(now - a.due)
}

func (t *traffic) refused(place int, u *sendUser, code cimpb.Code, now time.Duration) {
	t.counts.refuse(codeReason(code), 1)
	if t.job.Rate == 0 && u.pausedUntil == 0 {
		u.pausedUntil = now + sendPause
		t.paused = append(t.paused, place)
	}
}

// message books a delivery.
func (t *traffic) message(place int, v *frame.View) {
	if v.Seq > 0 {
		u := &t.users[place]
		u.ackDue = true
		repeated, gap := u.inbox.take(v.LogEpoch, v.Seq)
		if repeated {
			t.counts.Repeated++
			return
		}
		if gap {
			t.counts.Disordered++
		}
	}
	id, ok := payloadID(v.Payload)
	peer := t.peer(place)
	if !ok || v.From != t.swarm.job.Users[peer].UserID {
		t.counts.Foreign++
		return
	}
	t.arrived(t.users[peer].flow.arrived(id))
}

func (t *traffic) arrived(a arrival) {
	switch {
	case a.foreign:
		t.counts.Foreign++
		return
	case a.doubled:
		t.counts.Doubled++
		return
	case a.disordered:
		t.counts.Disordered++
	case a.refused:
		t.counts.Unwanted++
	}
	if a.expected {
		t.counts.Missing--
	}
	t.counts.Delivered++
	if a.forgotten {
		return
	}
	t.arrivals.record(t.swarm.now() - a.due)
}

// closed forgets what a connection that has ended would have been told.
func (t *traffic) closed(place int) {
	u := &t.users[place]
	t.inFlight -= u.inFlight
	u.inFlight, u.out = 0, nil
}

// results closes the books.
func (t *traffic) results() (*sendResult, error) {
	if t.result == nil {
		t.finish()
	}
	r := t.result
	r.CPU = processorTime() - t.cpu
	for i := range t.users {
		if t.swarm.conns[t.peer(i)].state != stateOpen {
			t.counts.Stranded += t.users[i].flow.missing()
		}
		if peer := t.peer(i); i < peer && t.users[i].server != t.users[peer].server {
			r.Across++
		}
	}
	var err error
	if r.Sent, err = t.sents.encode(); err == nil {
		r.Arrived, err = t.arrivals.encode()
	}
	if err != nil {
		return nil, fmt.Errorf("encode a histogram: %w", err)
	}
	return r, nil
}

// processorTime is what this process has used, in user and kernel mode.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
