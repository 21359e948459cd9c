package main

import (
	"fmt"
	"syscall"
	"testing"

	"cim/client"
)

// A server that stops for longer than its session at ZooKeeper lasts, and goes on, finds that its users have moved: it
// ends what is left of their sessions, and its late goodbye does not touch the new ones.
func TestClusterServerPausedAndContinued(t *testing.T) {
	c := startCluster(t, 2, 1)
	got := newCollector()
	alice := c.connectTo(c.servers[0], "alice", client.HandlerFuncs{})
	bob := c.connectTo(c.servers[1], "bob", client.HandlerFuncs{})
	c.servers[1].signal(syscall.SIGSTOP)
	c.routes[0].lists(1)
	moved := c.connect("bob", got.handler()) // the same device: nobody is asked
	c.servers[1].signal(syscall.SIGCONT)
	c.routes[0].lists(2)
	eventually(t, "the paused server ends its session", func() bool { return c.servers[1].metric("cim_sessions") == 0 })
	if _, err := alice.SendTo(t.Context(), bob.Me().ID, "are you there?"); err != nil {
		t.Fatal(err)
	}
	got.wait(t, 1)
	if moved.Me().ID != bob.Me().ID {
		t.Errorf("bob is %d and %d", bob.Me().ID, moved.Me().ID)
	}
}

// Redis is killed and comes back with its data: sends wait or are refused meanwhile, and nothing is lost.
func TestClusterRedisKilled(t *testing.T) {
	c := startCluster(t, 2, 1)
	got := newCollector()
	bob := c.connectTo(c.servers[1], "bob", got.handler())
	alice := c.connectTo(c.servers[0], "alice", client.HandlerFuncs{})
	const messages = 60
	for i := range messages {
		if i == messages/2 {
			c.redis.Kill(t)
			c.redis.Restart(t)
		}
		if _, err := alice.SendTo(t.Context(), bob.Me().ID, fmt.Sprint(i)); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	for i, text := range got.wait(t, messages) {
		if text != fmt.Sprint(i) {
			t.Fatalf("place %d holds message %s", i, text)
		}
	}
}

// Redis comes back empty: the servers publish their sessions again, and who is connected is reached.
func TestClusterRedisComesBackEmpty(t *testing.T) {
	c := startCluster(t, 2, 1)
	got := newCollector()
	bob := c.connectTo(c.servers[1], "bob", got.handler())
	alice := c.connectTo(c.servers[0], "alice", client.HandlerFuncs{})
	if _, err := alice.SendTo(t.Context(), bob.Me().ID, "before"); err != nil {
		t.Fatal(err)
	}
	got.wait(t, 1)
	c.redis.Kill(t)
	c.redis.Erase(t)
	c.redis.Restart(t)
	eventually(t, "the sessions are published again", func() bool {
		return c.redis.Client(t).HGet(t.Context(), fmt.Sprintf("cim:{%d}:user", bob.Me().ID), "o").Val() == c.servers[1].instance
	})
	if _, err := alice.SendTo(t.Context(), bob.Me().ID, "after"); err != nil {
		t.Fatal(err)
	}
	if texts := got.wait(t, 2); texts[1] != "after" {
		t.Errorf("bob heard %q", texts)
	}
}
