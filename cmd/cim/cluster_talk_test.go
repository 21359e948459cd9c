package main

import (
	"fmt"
	"slices"
	"testing"

	"cim/client"
)

// People on three servers talk to each other, and each message costs what it should.
func TestClusterTalksAcrossServers(t *testing.T) {
	c := startCluster(t, 3, 2)
	var got []*collector
	var people []*client.Client
	for i, s := range c.servers {
		got = append(got, newCollector())
		people = append(people, c.connectTo(s, fmt.Sprint("user", i), got[i].handler()))
	}
	alice, bob := people[0], people[1]
	requests, pushes := c.servers[0].metric("cim_peer_requests_total"), c.servers[0].metric("cim_peer_pushes_total")
	const messages = 20
	for i := range messages {
		if _, err := alice.SendTo(t.Context(), bob.Me().ID, fmt.Sprint(i)); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	for i, text := range got[1].wait(t, messages) {
		if text != fmt.Sprint(i) {
			t.Fatalf("place %d holds message %s", i, text)
		}
	}
	if n := c.servers[0].metric("cim_peer_pushes_total") - pushes; n != messages {
		t.Errorf("%d private messages took %v pushes", messages, n)
	}
	if n := c.servers[0].metric("cim_peer_requests_total") - requests; n != messages {
		t.Errorf("%d private messages, one after the other, took %v requests", messages, n)
	}
	broadcasts := c.servers[0].metric("cim_peer_broadcasts_total")
	if _, err := alice.SendAll(t.Context(), "to everyone"); err != nil {
		t.Fatal(err)
	}
	if texts := got[2].wait(t, 1); !slices.Equal(texts, []string{"to everyone"}) {
		t.Errorf("the third heard %q", texts)
	}
	if texts := got[1].wait(t, messages+1); texts[messages] != "to everyone" || len(texts) != messages+1 {
		t.Errorf("the second heard %q", texts[messages:])
	}
	if texts := got[0].snapshot(); len(texts) != 0 {
		t.Errorf("the sender heard %q", texts)
	}
	if n := c.servers[0].metric("cim_peer_broadcasts_total") - broadcasts; n != 2 {
		t.Errorf("a message to everyone took %v pushes to two other servers", n)
	}
}

// A server that is killed frees its users at once, and nothing that was acknowledged is lost.
func TestClusterServerKilled(t *testing.T) {
	c := startCluster(t, 2, 1)
	got := newCollector()
	bob := c.connectTo(c.servers[1], "bob", got.handler())
	alice := c.connectTo(c.servers[0], "alice", client.HandlerFuncs{})
	const messages = 200
	for i := range messages {
		if i == messages/2 {
			c.servers[1].kill()
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
	if n := len(got.snapshot()); n != messages {
		t.Errorf("%d messages were handed over, want %d", n, messages)
	}
}
