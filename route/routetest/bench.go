package routetest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"cim/route"
)

// syncCounter is what a store may tell of its group commits.
type syncCounter interface {
	Syncs() (commits, syncs uint64)
}

// BenchmarkAppend measures stored sends: callers in parallel, each with so many messages of 128 bytes at a time,
// to 1,000 receivers who acknowledge every 16th. Closed loop: a slow store slows the callers, so the figures are
// of throughput, not of latency under a given load. One operation is one message.
func BenchmarkAppend(b *testing.B, open func(testing.TB) Store) {
	for _, load := range []appendLoad{{1, 1}, {16, 1}, {128, 1}, {1024, 1}, {16, 64}} {
		name := fmt.Sprintf("callers=%d/entries=%d", load.callers, load.entries)
		b.Run(name, func(b *testing.B) { benchmarkAppend(b, open(b), load) })
	}
}

type appendLoad struct{ callers, entries int }

const (
	benchReceivers = 1000
	benchAckEvery  = 16
	benchBodyBytes = 128
)

func benchmarkAppend(b *testing.B, s Store, load appendLoad) {
	var next atomic.Uint64 // messages begun
	_, before := syncsOf(s)
	b.SetBytes(benchBodyBytes)
	b.ReportAllocs()
	b.ResetTimer()
	inParallel(load.callers, func(int) {
		entries := make([]route.Entry, load.entries)
		for i := range entries {
			entries[i] = route.Entry{Sender: 1, Device: "phone", Body: make([]byte, benchBodyBytes)}
		}
		step := uint64(load.entries)
		for last := next.Add(step); last < uint64(b.N)+step; last = next.Add(step) {
			for i := range entries {
				n := last - uint64(i)
				entries[i].Receiver, entries[i].ClientMsgID = user+int64(n%benchReceivers), n
			}
			if err := appendAndAck(b, s, entries); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	if counted, after := syncsOf(s); counted {
		b.ReportMetric(float64(after-before)/float64(b.N), "fsyncs/append")
	}
}

func appendAndAck(b *testing.B, s Store, entries []route.Entry) error {
	var acks []route.Ack
	for i, got := range s.Append(b.Context(), entries) {
		if got.Err != nil {
			return got.Err
		}
		if got.Seq%benchAckEvery == 0 {
			cursor := route.Cursor{LogEpoch: got.LogEpoch, Seq: got.Seq}
			acks = append(acks, route.Ack{User: entries[i].Receiver, Cursor: cursor})
		}
	}
	if len(acks) == 0 {
		return nil
	}
	return s.Ack(b.Context(), acks)
}

// benchUsers is how many log in, and how many are renewed.
const benchUsers = 10_000

// BenchmarkClaim measures logins of 10,000 users, callers in parallel, each user released again.
func BenchmarkClaim(b *testing.B, open func(testing.TB) route.Directory) {
	benchmarkClaim(b, open(b), func(n uint64) route.ClaimRequest {
		return route.ClaimRequest{User: user + int64(n%benchUsers)}
	})
}

// BenchmarkLogin is BenchmarkClaim with a look at the account, as a Router claims.
func BenchmarkLogin(b *testing.B, open func(testing.TB) Store) {
	s := open(b)
	checks, ids := make([]route.AccountCheck, benchUsers), make([]int64, benchUsers)
	inParallel(benchCallers, func(worker int) {
		for i := worker; i < benchUsers; i += benchCallers {
			checks[i] = route.AccountCheck{Name: fmt.Sprintf("user-%d", i), Generation: 1}
			a, _, err := s.Create(b.Context(), checks[i].Name, route.User, firstHash)
			if err != nil {
				b.Error(err)
			}
			ids[i] = a.ID
		}
	})
	benchmarkClaim(b, s, func(n uint64) route.ClaimRequest {
		return route.ClaimRequest{User: ids[n%benchUsers], Check: &checks[n%benchUsers]}
	})
}

const benchCallers = 128

func benchmarkClaim(b *testing.B, d route.Directory, ask func(n uint64) route.ClaimRequest) {
	var next atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	inParallel(benchCallers, func(int) {
		for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
			q := ask(n)
			q.Device, q.Instance, q.Takeover = "phone", "i1", route.TakeoverAny
			c, err := d.Claim(b.Context(), q)
			if err == nil {
				err = d.Release(b.Context(), q.User, c.Epoch)
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "claims/s")
}

// BenchmarkRenew measures a server's sweep over 10,000 sessions that are all still its own: callers in parallel, so
// many renewals at a time. One operation is one renewal.
func BenchmarkRenew(b *testing.B, open func(testing.TB) route.Directory) {
	const callers, batch = 4, 256
	d := open(b)
	renewals := make([]route.Renewal, benchUsers)
	inParallel(benchCallers, func(worker int) {
		for i := worker; i < benchUsers; i += benchCallers {
			id := user + int64(i)
			c, err := d.Claim(b.Context(), route.ClaimRequest{User: id, Device: "phone", Instance: "i1", Takeover: route.TakeoverAny})
			if err != nil {
				b.Error(err)
			}
			renewals[i] = renewal(id, "i1", c.Epoch)
		}
	})
	var next atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	inParallel(callers, func(int) {
		for n := next.Add(batch) - batch; n < uint64(b.N); n = next.Add(batch) - batch {
			from := n % (benchUsers - batch)
			for _, r := range d.Renew(b.Context(), renewals[from:from+min(batch, uint64(b.N)-n)]) {
				if r.Err != nil || r.State != route.RenewKept {
					b.Errorf("%+v", r)
					return
				}
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "renewals/s")
}

func syncsOf(s any) (counted bool, syncs uint64) {
	c, ok := s.(syncCounter)
	if !ok {
		return false, 0
	}
	_, syncs = c.Syncs()
	return true, syncs
}
