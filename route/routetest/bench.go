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

// BenchmarkAppend measures stored sends: callers in parallel, each with one message of 128 bytes at a time, to
// 1,000 receivers who acknowledge as they go. Closed loop: a slow store slows the callers, so the figures are of
// throughput, not of latency under a given load.
func BenchmarkAppend(b *testing.B, open func(testing.TB) Store) {
	for _, callers := range []int{1, 16, 128, 1024} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchmarkAppend(b, open(b), callers) })
	}
}

func benchmarkAppend(b *testing.B, s Store, callers int) {
	const receivers, ackEvery = 1000, 16
	var next atomic.Uint64
	body := make([]byte, 128)
	_, before := syncsOf(s)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.ResetTimer()
	inParallel(callers, func(int) {
		for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
			to := user + int64(n%receivers)
			e := route.Entry{Receiver: to, Sender: 1, Device: "phone", ClientMsgID: n, Body: body}
			got := s.Append(b.Context(), []route.Entry{e})[0]
			if got.Err != nil {
				b.Error(got.Err)
				return
			}
			if got.Seq%ackEvery == 0 {
				if err := s.Ack(b.Context(), []route.Ack{{User: to, Cursor: route.Cursor{LogEpoch: got.LogEpoch, Seq: got.Seq}}}); err != nil {
					b.Error(err)
					return
				}
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	if counted, after := syncsOf(s); counted {
		b.ReportMetric(float64(after-before)/float64(b.N), "fsyncs/append")
	}
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
