package netcore

import (
	"bufio"
	"crypto/tls"
	"io"
	"runtime"
	"syscall"
	"testing"

	"cim/netcore/frame"
)

// The TLS benchmarks run a whole server, and clients in the same process over loopback.

// transports are what connections are compared by.
var transports = []struct {
	name    string
	version uint16
}{{"plain", 0}, {"tls1.2", tls.VersionTLS12}, {"tls1.3", tls.VersionTLS13}}

// joined logs in n connections. What a connection costs the server is measured with a client that keeps
// nothing but its socket: the caller drops the clients' TLS. empty is the heap before the first of them.
func joined(b *testing.B, n int, version uint16) (s *Server, clients []*client, empty uint64) {
	b.Helper()
	ca := newAuthority(b)
	options := []func(*Config){func(c *Config) { c.MaxConns = 2 * n }}
	if version != 0 {
		options = append(options, withTLS(ca.server()))
	}
	s = start(b, newFakeBackend(), options...)
	cfg := ca.client(version)
	clients = make([]*client, n)
	empty = heap()
	for i := range clients {
		if version == 0 {
			clients[i] = join(b, s, int64(i+1))
		} else {
			clients[i] = joinTLS(b, s, int64(i+1), cfg)
		}
	}
	return s, clients, empty
}

// BenchmarkIdleConnection reports the heap that the server keeps for a connection that has said its
// heartbeats and is silent. The sockets of the clients are in it, at some 300 B each; their TLS is not.
func BenchmarkIdleConnection(b *testing.B) {
	const n = 2000
	for _, tr := range transports {
		b.Run(tr.name, func(b *testing.B) {
			for b.Loop() {
				s, clients, before := joined(b, n, tr.version)
				for i, c := range clients {
					c.sync()
					clients[i].in = nil
					if t, ok := c.conn.(*tls.Conn); ok {
						clients[i].conn = t.NetConn()
					}
				}
				b.ReportMetric(float64(heap()-before)/n, "B/conn")
				if s.Sessions() != n {
					b.Fatal(s.Stats().Closed)
				}
				for _, c := range clients {
					c.conn.Close()
				}
			}
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkHeartbeatOverLoopback reports the CPU time of a heartbeat, client and kernel included: the
// difference between the transports is what TLS takes on both sides. Coordinated omission does not matter
// to CPU time.
func BenchmarkHeartbeatOverLoopback(b *testing.B) {
	for _, tr := range transports {
		b.Run(tr.name, func(b *testing.B) {
			_, clients, _ := joined(b, 1, tr.version)
			c := clients[0]
			buf := make([]byte, len(frame.Ping))
			c.in = bufio.NewReader(c.conn)
			begin := cpuTime(b)
			for b.Loop() {
				if _, err := c.conn.Write(frame.Ping); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c.in, buf); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-begin)/float64(b.N), "cpu-ns/op")
		})
	}
}

func cpuTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkTLSOnTheLoop is a heartbeat and a delivery without a kernel: a loop without an engine, and the
// records of a real client, which are made while the clock stands.
func BenchmarkTLSOnTheLoop(b *testing.B) {
	message := frame.AppendMessage(nil, body("a message of about this length"), frame.Cursor{})
	for _, tr := range transports {
		b.Run("heartbeat/"+tr.name, func(b *testing.B) {
			b.ReportAllocs()
			r, c, record := stubJoined(b, tr.version)
			var records [][]byte
			for b.Loop() {
				if len(records) == 0 {
					b.StopTimer()
					for range 4096 {
						records = append(records, record(frame.Ping))
					}
					b.StartTimer()
				}
				r.feed(c, records[0])
				records = records[1:]
			}
		})
		b.Run("delivery/"+tr.name, func(b *testing.B) {
			b.ReportAllocs()
			r, c, _ := stubJoined(b, tr.version)
			for b.Loop() {
				r.write(c.session(), message)
			}
		})
	}
}

// stubJoined is a stub that has logged in, and how its client says something.
func stubJoined(b *testing.B, version uint16) (r *rig, c *stubConn, record func([]byte) []byte) {
	b.Helper()
	if version == 0 {
		r = newRig(b, newFakeBackend())
		c = r.join(plainHello(1))
		c.mute = true
		return r, c, func(p []byte) []byte { return p }
	}
	ca := newAuthority(b)
	r = newRig(b, newFakeBackend(), withTLS(ca.server()))
	c, peer, secured := r.joinTLS(ca, version)
	c.mute = true
	return r, c, func(p []byte) []byte {
		if _, err := secured.conn.Write(p); err != nil {
			b.Fatal(err)
		}
		return peer.taken()
	}
}
