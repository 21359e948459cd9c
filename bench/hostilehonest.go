package bench

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"cim/netcore/frame"
	cimpb "cim/proto"
)

const (
	honestTimeout = 15 * time.Second       // to log in; and for any answer
	honestRetry   = 500 * time.Millisecond // between a connection and the next one; twice that at most
)

// crowd is the honest users.
type crowd struct {
	// Immutable after newCrowd.
	route  *routeClient
	tls    *tls.Config // nil: plain
	users  []account
	beat   time.Duration
	ledger *ledger
	first  uint64 // message ids count from here, so that a run with the same accounts has others

	wg sync.WaitGroup
}

func newCrowd(route *routeClient, tls *tls.Config, users []account, beat time.Duration, l *ledger) *crowd {
	return &crowd{route: route, tls: tls, users: users, beat: beat, ledger: l, first: 1 + rand.Uint64N(1<<37)}
}

// messageIDBits leave room for 2^14 users below 2^53.
const messageIDBits = 38

// start has everybody connect. They ping until ctx ends, and write until quiet ends; wait returns after both.
func (c *crowd) start(ctx, quiet context.Context) {
	for i := range c.users {
		u := &honestUser{
			crowd: c, route: c.route.from(i), account: c.users[i], peer: c.users[(i+1)%len(c.users)].UserID,
			nextID: uint64(i)<<messageIDBits + c.first,
			phase:  time.Duration(float64(c.beat) * float64(i) / float64(len(c.users))),
		}
		c.wg.Go(func() { u.run(ctx, quiet) })
	}
}

func (c *crowd) wait() { c.wg.Wait() }

// honestUser pings, and writes to the next user in the ring.
type honestUser struct {
	account
	// Immutable after start.
	crowd *crowd
	route *routeClient
	peer  int64
	phase time.Duration // of its beat

	// run and its writer, one after the other.
	nextID uint64
}

// run keeps the user online until ctx ends.
func (u *honestUser) run(ctx, quiet context.Context) {
	for ctx.Err() == nil {
		online, err := u.visit(ctx, quiet)
		if ctx.Err() != nil {
			return
		}
		u.crowd.ledger.ended(endReason(err), online, time.Now())
		pause(ctx, honestRetry+rand.N(honestRetry))
	}
}

// visit is one connection, from its login to its end.
func (u *honestUser) visit(ctx, quiet context.Context) (online bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, ticket, err := u.connect(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_ = conn.SetDeadline(time.Now().Add(honestTimeout))
	s, err := greet(conn, u.UserID, ticket)
	if err != nil {
		return false, err
	}
	_ = conn.SetDeadline(time.Time{})
	u.crowd.ledger.welcomed(s.welcome.GetInstance())
	v := &visit{session: s, ledger: u.crowd.ledger}
	var writer sync.WaitGroup
	writer.Go(func() {
		if err := u.write(ctx, quiet, v); err != nil {
			_ = conn.Close()
		}
	})
	err = v.read(u.crowd.beat)
	cancel()
	writer.Wait()
	return true, err
}

// connect asks a route where to go, and goes there.
func (u *honestUser) connect(ctx context.Context) (net.Conn, string, error) {
	ctx, cancel := context.WithTimeout(ctx, honestTimeout)
	defer cancel()
	p, err := u.route.login(ctx, u.account)
	if err != nil {
		return nil, "", err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", p.addr())
	if err != nil || u.crowd.tls == nil {
		return conn, p.Ticket, err
	}
	secured := tls.Client(conn, tlsTo(u.crowd.tls, p.addr()))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, "", err
	}
	return secured, p.Ticket, nil
}

// write pings and writes to the peer, half a beat apart. What is due while the connection cannot take it is
// late, and counted so.
func (u *honestUser) write(ctx, quiet context.Context, v *visit) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now().Truncate(u.crowd.beat).Add(u.phase)
	for ping := true; ; ping = !ping {
		due = due.Add(u.crowd.beat / 2)
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if !ping && quiet.Err() != nil {
			continue
		}
		if err := u.say(v, ping, due); err != nil {
			return err
		}
	}
}

func (u *honestUser) say(v *visit, ping bool, due time.Time) error {
	_ = v.SetWriteDeadline(time.Now().Add(honestTimeout))
	if ping {
		v.pinged(due)
		_, err := v.Write(frame.Ping)
		return err
	}
	id := u.nextID
	u.nextID++
	u.crowd.ledger.sending(id, due)
	_, err := v.Write(frame.AppendSend(nil, &frame.Send{
		To: frame.TargetUser, ToID: u.peer, ClientMsgID: id, QoS: cimpb.QoS_AT_LEAST_ONCE,
		Text: strconv.AppendUint(nil, id, 10),
	}))
	return err
}

// visit is one connection of an honest user, after WELCOME.
type visit struct {
	*session
	ledger *ledger

	mu   sync.Mutex
	dues []time.Time // of PINGs without a PONG, in order
}

func (v *visit) pinged(due time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dues = append(v.dues, due)
}

// ponged is the due time of the oldest PING without a PONG.
func (v *visit) ponged() (due time.Time, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.dues) == 0 {
		return time.Time{}, false
	}
	due = v.dues[0]
	v.dues = v.dues[1:]
	return due, true
}

// read books what comes until the connection ends, and returns why it did.
func (v *visit) read(beat time.Duration) error {
	for {
		_ = v.SetReadDeadline(time.Now().Add(beat + honestTimeout))
		payload, err := v.frames.next()
		if err != nil {
			return err
		}
		if err := v.take(payload, time.Now()); err != nil {
			return err
		}
	}
}

func (v *visit) take(payload []byte, now time.Time) error {
	if isPong(payload) {
		if due, ok := v.ponged(); ok {
			v.ledger.pong(due, now)
		}
		return nil
	}
	var f frame.View
	if err := f.Parse(payload); err != nil {
		return err
	}
	switch f.Cmd {
	case cimpb.Command_SENT:
		v.sent(&f, now)
	case cimpb.Command_MESSAGE:
		return v.message(&f, now)
	}
	return told(f.Cmd, codeOf(f.Status))
}

func (v *visit) sent(f *frame.View, now time.Time) {
	if code := codeOf(f.Status); code == cimpb.CodeStored {
		v.ledger.acknowledged(f.ClientMsgID, now)
	} else {
		v.ledger.refusedSend(codeReason(code))
	}
}

// message books a message, and has the server forget it.
func (v *visit) message(f *frame.View, now time.Time) error {
	if id, err := strconv.ParseUint(string(f.Text), 10, 64); err == nil {
		v.ledger.delivered(id, now)
	}
	if f.Seq == 0 {
		return nil
	}
	_ = v.SetWriteDeadline(now.Add(honestTimeout))
	_, err := v.Write(frame.AppendAck(nil, frame.Cursor{LogEpoch: f.LogEpoch, Seq: f.Seq}))
	return err
}
