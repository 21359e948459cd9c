package zkregistry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"cim/internal/zktest"
	"cim/route"
)

func testFormat(t *testing.T, addr string) {
	cfg := config(t, addr)
	p := zktest.NewProxy(t, addr)
	cfg.Servers = []string{p.Addr()}
	r, c := open(t, cfg), client(t, addr)
	join(t, r, server("i", 11211))
	path := cfg.Root + "/10.0.0.1:11211:11212"
	data, stat, err := c.Get(path)
	if err != nil || string(data) != `{"instance":"i","version":"v1","zone":"z","capacity":9,"tls":true}` {
		t.Fatalf("%q, %v", data, err)
	}
	if stat.EphemeralOwner != p.SessionID() {
		t.Errorf("the node is of session %#x, the server's is %#x", stat.EphemeralOwner, p.SessionID())
	}
	if acl, _, err := c.GetACL(path); err != nil || len(acl) != 1 || acl[0] != zk.WorldACL(zk.PermAll)[0] {
		t.Errorf("ACL %v, %v", acl, err)
	}
	if _, stat, err := c.Get(cfg.Root); err != nil || stat.EphemeralOwner != 0 {
		t.Errorf("the root: %+v, %v", stat, err)
	}
	if err := r.Err(); err != nil {
		t.Errorf("all is well, and Err says %v", err)
	}
	r.Close()
	r.Close()
	if there, _, err := c.Exists(path); err != nil || there {
		t.Errorf("after Close the node is there: %v, %v", there, err)
	}
}

func testNodesOfCIM(t *testing.T, addr string) {
	cfg := config(t, addr)
	r, c := open(t, cfg), client(t, addr)
	const name = "127.0.0.1:11211:8081"
	if _, err := c.Create(cfg.Root+"/"+name, nil, zk.FlagEphemeral, openACL); err != nil {
		t.Fatal(err)
	}
	wantInstances(t, r, name)
	want := route.Server{Instance: name, Host: "127.0.0.1", Port: 11211, HTTPPort: 8081}
	if got, ok := r.Server(name); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	if err := c.Delete(cfg.Root+"/"+name, -1); err != nil {
		t.Fatal(err)
	}
	wantInstances(t, r, "")
}

func testForeignChildren(t *testing.T, addr string) {
	cfg := config(t, addr)
	r, c := open(t, cfg), client(t, addr)
	for _, name := range []string{"junk", "10.0.0.1:port:8081"} {
		if _, err := c.Create(cfg.Root+"/"+name, []byte(`{"instance":"junk"}`), 0, openACL); err != nil {
			t.Fatal(err)
		}
	}
	join(t, r, server("i", 1))
	wantInstances(t, r, "i")
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

// testLeftover is a restart within the session of the process before: its node is still there.
func testLeftover(t *testing.T, addr string) {
	for name, tc := range map[string]struct {
		data  string
		flags int32
	}{
		"of another instance":     {`{"instance":"before"}`, zk.FlagEphemeral},
		"of CIM":                  {"", zk.FlagEphemeral},
		"of nobody":               {`{"instance":"before"}`, 0},
		"of an earlier session":   {`{"instance":"i","version":"v1","zone":"z","capacity":9}`, zk.FlagEphemeral},
		"of it, with other words": {`{"instance":"i"}`, zk.FlagEphemeral},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t, addr)
			reader, r, c := open(t, cfg), open(t, cfg), client(t, addr)
			path := cfg.Root + "/10.0.0.1:11211:11212"
			if _, err := c.Create(path, []byte(tc.data), tc.flags, openACL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the leftover is listed", func() bool { return len(reader.Servers()) == 1 })
			join(t, r, server("i", 11211))
			data, stat, err := c.Get(path)
			if err != nil || stat.EphemeralOwner != r.conn.Load().zk.SessionID() {
				t.Fatalf("%q of session %#x, %v", data, stat.EphemeralOwner, err)
			}
			eventually(t, "readers see the new one", func() bool {
				got, ok := reader.Server("i")
				return ok && got == server("i", 11211) && len(reader.Servers()) == 1
			})
		})
	}
}

func testReplaced(t *testing.T, addr string) {
	cfg := config(t, addr)
	first, second := open(t, cfg), open(t, cfg)
	join(t, first, server("first", 1))
	leave := join(t, second, server("second", 1))
	eventually(t, "the first one knows", func() bool { return errors.Is(first.Err(), ErrReplaced) })
	wantInstances(t, first, "second")
	wantInstances(t, second, "second")
	leave()
	wantInstances(t, second, "first")
	wantInstances(t, first, "first")
	eventually(t, "the first one is well", func() bool { return first.Err() == nil })
}

func testDeletedNode(t *testing.T, addr string) {
	cfg := config(t, addr)
	r, c := open(t, cfg), client(t, addr)
	join(t, r, server("i", 1))
	path := cfg.Root + "/10.0.0.1:1:2"
	for range 3 {
		if err := c.Delete(path, -1); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is made again", func() bool {
			there, _, err := c.Exists(path)
			return err == nil && there
		})
		if got := instances(r); got != "i" {
			t.Fatalf("the server's own list is %q", got)
		}
	}
}

// testQuickRestart has nodes deleted and made again faster than anybody reads.
func testQuickRestart(t *testing.T, addr string) {
	cfg := config(t, addr)
	reader, a, b := open(t, cfg), open(t, cfg), open(t, cfg)
	for i := range 20 {
		join(t, a, server(fmt.Sprint("a", i), 1))()
		leave := join(t, b, server(fmt.Sprint("b", i), 1))
		if i%5 == 4 {
			wantInstances(t, reader, fmt.Sprint("b", i))
		}
		leave()
	}
	join(t, a, server("last", 1))
	wantInstances(t, reader, "last")
	wantInstances(t, b, "last")
}

func testJoinErrors(t *testing.T, addr string) {
	r := open(t, config(t, addr))
	if _, err := r.Join(t.Context(), route.Server{}); !errors.Is(err, ErrInvalidAddress) {
		t.Errorf("no address: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Join(ctx, server("i", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("context ended: %v", err)
	}
	leave := join(t, r, server("i", 1))
	r.Close()
	leave()
	leave()
	if _, err := r.Join(t.Context(), server("i", 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// testShrink has most of the servers vanish from ZooKeeper at once, of which some are well.
func testShrink(t *testing.T, addr string) {
	cfg := config(t, addr)
	var down atomic.Pointer[string]
	none := ""
	down.Store(&none)
	cfg.ProbeEvery = 100 * time.Millisecond
	probed := make(chan string, 1000)
	cfg.Probe = func(_ context.Context, s route.Server) bool {
		probed <- s.Instance
		return !strings.Contains(*down.Load(), s.Instance)
	}
	r, c := open(t, cfg), client(t, addr)
	var deletes []any
	for i, instance := range []string{"a", "b", "c", "d"} {
		name, _ := nodeName(server(instance, i+1))
		data, _ := encodeNode(server(instance, i+1))
		if _, err := c.Create(cfg.Root+"/"+name, data, zk.FlagEphemeral, openACL); err != nil {
			t.Fatal(err)
		}
		deletes = append(deletes, &zk.DeleteRequest{Path: cfg.Root + "/" + name, Version: -1})
	}
	wantInstances(t, r, "a b c d")
	if _, err := c.Multi(deletes...); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		<-probed // each several times
	}
	if got := instances(r); got != "a b c d" {
		t.Fatalf("probes succeed, and the list is %q", got)
	}
	some := "b c"
	down.Store(&some)
	wantInstances(t, r, "a d")
	join(t, r, server("a", 1))
	all := "a b c d"
	down.Store(&all)
	wantInstances(t, r, "a")
}
