package redisstore

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cim/internal/redistest"
	"cim/route"
	"cim/route/routetest"
)

// benchServers are what a figure depends on most.
var benchServers = []struct {
	name string
	args []string
}{
	{"no log", []string{"--appendonly", "no"}},
	{"appendfsync everysec", []string{"--appendonly", "yes", "--appendfsync", "everysec"}},
	{"appendfsync always", []string{"--appendonly", "yes", "--appendfsync", "always"}},
}

func BenchmarkAppend(b *testing.B) {
	for _, server := range benchServers {
		b.Run(server.name, func(b *testing.B) {
			url := urlOf(redistest.Start(b, server.args...))
			routetest.BenchmarkAppend(b, func(t testing.TB) routetest.Store { return open(t, url) })
		})
	}
}

func BenchmarkClaim(b *testing.B) {
	url := urlOf(redistest.Start(b))
	routetest.BenchmarkClaim(b, func(t testing.TB) route.Directory { return open(t, url) })
}

func BenchmarkRenew(b *testing.B) {
	url := urlOf(redistest.Start(b))
	routetest.BenchmarkRenew(b, func(t testing.TB) route.Directory { return open(t, url) })
}

// BenchmarkRedisCPU measures what a stored message costs Redis: batches of 256 messages of 128 bytes to 10,000
// receivers, four batches under way at a time, each acknowledged when it is answered. One operation is one message.
func BenchmarkRedisCPU(b *testing.B) {
	server := redistest.Start(b)
	s := open(b, urlOf(server))
	admin := server.Client(b)
	const batch, receivers, callers = 256, 10_000, 4
	benchBatch(b, s, 0, batch, receivers) // loads the functions
	before := cpu(b, admin)
	b.ResetTimer()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for n := c * batch; n < b.N; n += callers * batch {
				benchBatch(b, s, n, min(batch, b.N-n), receivers)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric((cpu(b, admin)-before).Seconds()*1e6/float64(b.N), "redis-cpu-µs/append")
	stats, _ := admin.Info(b.Context(), "commandstats").Result()
	for line := range strings.Lines(stats) {
		if strings.HasPrefix(line, "cmdstat_fcall") {
			b.Log(strings.TrimSpace(line))
		}
	}
}

func benchBatch(b *testing.B, s *Store, first, n, receivers int) {
	entries := make([]route.Entry, n)
	for i := range entries {
		entries[i] = route.Entry{
			Receiver: int64((first+i)%receivers + 1), Sender: 1, Device: "phone", ClientMsgID: uint64(first + i + 1), Body: make([]byte, 128),
		}
	}
	acks := make([]route.Ack, 0, n)
	for i, got := range s.Append(b.Context(), entries) {
		if got.Err != nil {
			b.Error(got.Err)
			return
		}
		if got.Seq%16 == 0 {
			acks = append(acks, route.Ack{User: entries[i].Receiver, Cursor: route.Cursor{LogEpoch: got.LogEpoch, Seq: got.Seq}})
		}
	}
	if len(acks) == 0 {
		return
	}
	if err := s.Ack(b.Context(), acks); err != nil {
		b.Error(err)
	}
}

// cpu is the processor time that Redis has used.
func cpu(b *testing.B, admin *redis.Client) time.Duration {
	b.Helper()
	total := 0.0
	text, err := admin.Info(b.Context(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		if key == "used_cpu_sys" || key == "used_cpu_user" {
			seconds, _ := strconv.ParseFloat(value, 64)
			total += seconds
		}
	}
	return time.Duration(total * float64(time.Second))
}

// BenchmarkBytes measures memory of Redis: per account with its name (20 bytes) and its place in the index, per
// user who has been connected, and per message of 128 bytes that waits, with the memory of its name and without.
// One operation is one user.
func BenchmarkBytes(b *testing.B) {
	server := redistest.Start(b)
	s := open(b, urlOf(server))
	admin := server.Client(b)
	ids := make([]int64, b.N)
	used := memory(b, admin)
	step := func(name string, each float64, run func(i int)) {
		var wg sync.WaitGroup
		for c := range 16 {
			wg.Go(func() {
				for i := c; i < b.N; i += 16 {
					run(i)
				}
			})
		}
		wg.Wait()
		now := memory(b, admin)
		b.ReportMetric(float64(now-used)/float64(b.N)/each, name)
		used = now
	}
	step("B/account", 1, func(i int) {
		a, _, err := s.Create(b.Context(), fmt.Sprintf("device-%013d", i), route.Device, route.HashSecret("x"))
		if err != nil {
			b.Error(err)
		}
		ids[i] = a.ID
	})
	step("B/session", 1, func(i int) {
		_, err := s.Claim(b.Context(), route.ClaimRequest{User: ids[i], Device: "0123456789abcdef", Instance: "0123456789abcdef"})
		if err != nil {
			b.Error(err)
		}
	})
	const messages = 10
	step("B/message+name", messages, func(i int) {
		entries := make([]route.Entry, messages)
		for n := range entries {
			entries[n] = route.Entry{Receiver: ids[i], Sender: 1, Device: "phone", ClientMsgID: uint64(n + 1), Body: make([]byte, 128)}
		}
		for _, got := range s.Append(b.Context(), entries) {
			if got.Err != nil {
				b.Error(got.Err)
			}
		}
	})
	step("B/name-removed", messages, func(i int) {
		if err := admin.Del(b.Context(), s.keys.dedup(ids[i])).Err(); err != nil {
			b.Error(err)
		}
	})
}

func memory(b *testing.B, admin *redis.Client) int64 {
	b.Helper()
	text, err := admin.Info(b.Context(), "memory").Result()
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.ParseInt(parseInfo(text)["used_memory"], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
