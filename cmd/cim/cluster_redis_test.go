package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"cim/client"
	"cim/internal/redistest"
)

// resets is a Handler's State that counts what it is told of a log that lost its end.
type resets struct{ ch chan struct{} }

func newResets() resets { return resets{make(chan struct{}, 100)} }

func (r resets) with(c *collector) client.Handler {
	h := c.handler().(client.HandlerFuncs)
	h.OnState = func(s client.StateChange) {
		if s.State == client.StateLogReset {
			r.ch <- struct{}{}
		}
	}
	return h
}

// A master of Redis is killed, and its replica takes over: first one that has all that was acknowledged, because that
// was waited for, and then one that lacks the end.
func TestClusterRedisFailsOver(t *testing.T) {
	redis := redistest.StartSentinel(t, "--appendonly", "yes")
	c := startCluster(t, 1, 1, func(c *testCluster) { c.url = redis.URL() })
	c.servers = append(c.servers, c.newServer("server2", "--redis-wait", "1"))
	c.awaitServers(2)
	got, told := newCollector(), newResets()
	bob := c.connectTo(c.servers[0], "bob", told.with(got))
	careless := c.connectTo(c.servers[0], "careless", client.HandlerFuncs{})
	careful := c.connectTo(c.servers[1], "careful", client.HandlerFuncs{})

	t.Run("nothing acknowledged is lost", func(t *testing.T) {
		dave := c.member(t, "dave") // who is away, so that only Redis has what is for him
		sending := keepSending(t, careful, dave.id)
		sending.passes(50)
		redis.Master.Kill(t)
		redis.AwaitMaster(t, redis.Replica)
		redis.Master.Restart(t)
		follow(t, redis.Master, redis.Replica)
		sending.more(50)
		n := sending.stop()
		c.mu.Lock()
		c.secrets[dave.name] = dave.secret
		c.mu.Unlock()
		heard, lost := newCollector(), newResets()
		// A server that has lost its store is sent nobody, for up to a second after it has it back.
		eventually(t, "a server has room", func() bool { _, status := dave.tryPlace("dave-device"); return status == http.StatusOK })
		c.connect(dave.name, lost.with(heard))
		heard.exactly(t, n)
		if len(lost.ch) > 0 {
			t.Error("the receiver was told that messages may be lost")
		}
	})
	t.Run("the end is lost", func(t *testing.T) {
		master, replica := redis.Replica, redis.Master
		send := func(text string) {
			t.Helper()
			if r, err := careless.SendTo(t.Context(), bob.Me().ID, text); err != nil || !r.Stored() {
				t.Fatalf("%q: %+v, %v", text, r, err)
			}
		}
		send("first")
		redistest.Until(t, "the replica has the first message", func(ctx context.Context) error {
			if n := replica.Client(t).HGet(ctx, fmt.Sprintf("cim:{%d}:user", bob.Me().ID), "s").Val(); n != "1" {
				return errors.New("not yet")
			}
			return nil
		})
		redistest.Freeze(t, master, replica)
		send("second")
		send("third")
		got.wait(t, 3)
		master.Kill(t)
		replica.Resume(t)
		redis.AwaitMaster(t, replica)
		// They get the places of those that were lost, before anybody has looked at bob's inbox.
		for _, text := range []string{"fourth", "fifth"} {
			eventually(t, text+" is stored", func() bool {
				r, err := careless.SendTo(t.Context(), bob.Me().ID, text)
				return err == nil && r.Stored()
			})
		}
		if texts := got.wait(t, 5); !slices.Equal(texts, []string{"first", "second", "third", "fourth", "fifth"}) {
			t.Errorf("bob heard %q", texts)
		}
		eventually(t, "bob is told", func() bool { return len(told.ch) > 0 })
		owner := replica.Client(t).HGet(t.Context(), fmt.Sprintf("cim:{%d}:user", bob.Me().ID), "o").Val()
		if owner != c.servers[0].instance || bob.Stats().Connects != 1 {
			t.Errorf("the session is at %q after %d connections", owner, bob.Stats().Connects)
		}
	})
}

// follow has a Redis be the replica of another one; the Sentinel would say so within ten seconds.
func follow(t *testing.T, replica, master *redistest.Server) {
	t.Helper()
	if err := replica.Client(t).ReplicaOf(t.Context(), "127.0.0.1", strconv.Itoa(master.Port)).Err(); err != nil {
		t.Fatal(err)
	}
	redistest.AwaitReplicas(t, master, 1)
}
