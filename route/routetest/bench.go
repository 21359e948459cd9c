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

// BenchmarkClaim measures logins of 10,000 users, callers in parallel, each user released again.
func BenchmarkClaim(b *testing.B, open func(testing.TB) route.Directory) {
	const callers, users = 128, 10_000
	d := open(b)
	var next atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	inParallel(callers, func(int) {
		for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
			id := user + int64(n%users)
			c, err := d.Claim(b.Context(), route.ClaimRequest{User: id, Device: "phone", Instance: "i1", Takeover: route.TakeoverAny})
			if err == nil {
				err = d.Release(b.Context(), id, c.Epoch)
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

func syncsOf(s any) (counted bool, syncs uint64) {
	c, ok := s.(syncCounter)
	if !ok {
		return false, 0
	}
	_, syncs = c.Syncs()
	return true, syncs
}
