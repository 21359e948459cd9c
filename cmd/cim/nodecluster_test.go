package main

import (
	"context"
	"testing"

	"cim/route"
	"cim/route/embedded"
	"cim/route/peer"
)

// TestRegistryAsksBeforeTheNodeIsThere: the registry probes and reports from the moment it is open. Nobody is dropped
// from the list because this process cannot ask yet.
func TestRegistryAsksBeforeTheNodeIsThere(t *testing.T) {
	n := &node{connectedCh: make(chan struct{})}
	n.sweep()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	gone := route.Server{Instance: "gone", Host: "127.0.0.1", Port: 1, HTTPPort: 1}
	if !n.probe(ctx, gone) {
		t.Error("a server was found dead by a process that could not ask it")
	}
	answerCh := make(chan bool, 1)
	go func() { answerCh <- n.probe(t.Context(), gone) }()
	secrets, err := peer.ParseSecrets([]byte("the secret of a cluster of tests"))
	if err != nil {
		t.Fatal(err)
	}
	if n.peers, err = peer.New(peer.Config{Instance: "asker", Secrets: secrets, Servers: embedded.NewRegistry()}); err != nil {
		t.Fatal(err)
	}
	defer n.peers.Close()
	close(n.connectedCh)
	if <-answerCh {
		t.Error("a server that nobody answers for counts as alive")
	}
}
