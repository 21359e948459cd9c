package bench

import (
	"fmt"
	"time"
)

// The parent writes commands to a worker's stdin and reads notices from its stdout, one JSON value a line.

// command is one line to a worker. The first has the job.
type command struct {
	Job    *job `json:"job,omitempty"`
	Hold   bool `json:"hold,omitempty"`   // the hold begins: the silent ones fall silent
	Finish bool `json:"finish,omitempty"` // send no more PINGs, collect the last PONGs, report
}

// job is everything that a worker has to know.
type job struct {
	Route     string        `json:"route"`
	Prefix    string        `json:"prefix"` // of account names
	Share     share         `json:"share"`
	Total     int           `json:"total"` // connections of the whole run
	Users     []account     `json:"users"` // by place in the share
	Silent    []int         `json:"silent,omitempty"`
	Start     time.Time     `json:"start"` // zero of the heartbeat schedule
	Heartbeat time.Duration `json:"heartbeat_ns"`
	Rate      float64       `json:"rate"` // connects a second, of this worker
	Timeout   time.Duration `json:"timeout_ns"`
	TLS       TLSFiles      `json:"tls"`
	HTTPConns int           `json:"http_conns"`
	Progress  time.Duration `json:"progress_ns"`    // distance of notices
	Send      *sendJob      `json:"send,omitempty"` // nil: nobody sends
}

// name is the account name of the share's i-th connection.
func (j *job) name(i int) string { return accountName(j.Prefix, j.Share.index(i)) }

func accountName(prefix string, index int) string { return fmt.Sprintf("%s-%06d", prefix, index+1) }

type noticeKind string

const (
	noticeProgress noticeKind = "progress"
	noticeReady    noticeKind = "ready" // each connection has been tried
	noticeResult   noticeKind = "result"
)

// notice is one line from a worker.
type notice struct {
	Kind  noticeKind `json:"kind"`
	Tally tally      `json:"tally"`
	// Only in a result:
	Histogram   string          `json:"histogram,omitempty"`
	SilentTimes []time.Duration `json:"silent_times_ns,omitempty"` // last write to close, of the silent ones
	Send        *sendResult     `json:"send,omitempty"`
	Error       string          `json:"error,omitempty"`
}

// tally counts what became of connections and heartbeats. Every counter only rises, except Open.
type tally struct {
	Connected  int            `json:"connected"` // got a WELCOME
	Open       int            `json:"open"`
	Pings      int64          `json:"pings"`
	Pongs      int64          `json:"pongs"`
	Late       int64          `json:"late"`       // no PONG when the next PING was due
	Unanswered int64          `json:"unanswered"` // no PONG at all
	Messages   int64          `json:"messages"`   // frames that a scenario did not ask for
	Drops      map[string]int `json:"drops,omitempty"`
	Silenced   map[string]int `json:"silenced,omitempty"` // closes of silent connections
	Servers    map[string]int `json:"servers,omitempty"`  // WELCOMEs, by the server's instance
	Granted    Granted        `json:"granted"`
	Sends      SendCounts     `json:"sends"`
}

// Granted is the range of what servers granted in WELCOME.
type Granted struct {
	HeartbeatMin   uint32 `json:"heartbeat_min_ms"`
	HeartbeatMax   uint32 `json:"heartbeat_max_ms"`
	IdleTimeoutMin uint32 `json:"idle_timeout_min_ms"`
	IdleTimeoutMax uint32 `json:"idle_timeout_max_ms"`
}

func newTally() tally {
	return tally{Drops: map[string]int{}, Silenced: map[string]int{}, Servers: map[string]int{}}
}

// dropped counts the connections that were lost or never came about.
func (t *tally) dropped() int { return sum(t.Drops) }

// silentClosed counts the closes that the run asked for.
func (t *tally) silentClosed() int { return sum(t.Silenced) }

func sum(counts map[string]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

// add counts another worker's tally in.
func (t *tally) add(o tally) {
	t.Connected += o.Connected
	t.Open += o.Open
	t.Pings += o.Pings
	t.Pongs += o.Pongs
	t.Late += o.Late
	t.Unanswered += o.Unanswered
	t.Messages += o.Messages
	for reason, n := range o.Drops {
		t.Drops[reason] += n
	}
	for reason, n := range o.Silenced {
		t.Silenced[reason] += n
	}
	for server, n := range o.Servers {
		t.Servers[server] += n
	}
	t.Granted.add(o.Granted)
	t.Sends.add(o.Sends)
}

func (g *Granted) add(o Granted) {
	if o == (Granted{}) {
		return
	}
	if *g == (Granted{}) {
		*g = o
		return
	}
	g.HeartbeatMin, g.HeartbeatMax = min(g.HeartbeatMin, o.HeartbeatMin), max(g.HeartbeatMax, o.HeartbeatMax)
	g.IdleTimeoutMin, g.IdleTimeoutMax = min(g.IdleTimeoutMin, o.IdleTimeoutMin), max(g.IdleTimeoutMax, o.IdleTimeoutMax)
}
