package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cim/client/routes"
)

// A message to everyone comes to each person on three servers once, also while servers move their clients to others.
func TestClusterEveryoneWhileDraining(t *testing.T) {
	c := startCluster(t, 3, 2)
	app := c.application(c.routes[0])
	var sent []string
	stopCh := make(chan struct{})
	var all []*timeline
	for i := range 12 {
		l := newTimeline()
		c.connectTo(c.servers[i%3], fmt.Sprint("hearer", i), l)
		all = append(all, l)
	}
	var sending sync.WaitGroup
	sending.Go(func() { sent = sendEveryone(t, app, stopCh) })
	for _, s := range c.servers[1:] {
		all[0].wait(t, len(all[0].snapshot())+10)
		if code := s.stop(); code != exitOK {
			t.Errorf("%s: exit code %d", s.name, code)
		}
	}
	all[0].wait(t, len(all[0].snapshot())+10)
	close(stopCh)
	sending.Wait()
	for i, l := range all {
		if texts := l.wait(t, len(sent)); !slices.Equal(texts, sent) {
			t.Errorf("hearer %d heard %d of %d: %q", i, len(texts), len(sent), texts)
		}
	}
}

// application is one that has the key of the cluster's applications.
func (c *testCluster) application(route *clusterProcess) *application {
	c.t.Helper()
	key, err := readSmallFile(filepath.Join(c.folder, "application.key"))
	if err != nil {
		c.t.Fatal(err)
	}
	return &application{routes: routes.MustParse(route.url()), key: strings.TrimSpace(string(key)), http: http.DefaultClient, pause: waitAWhile}
}

// sendEveryone sends numbers to everyone until it is to stop, and returns them.
func sendEveryone(t *testing.T, app *application, stopCh <-chan struct{}) (sent []string) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-stopCh:
			return sent
		}
		text := fmt.Sprint(len(sent))
		var reached struct{ Reached int }
		if err := app.post(t.Context(), "/v1/messages", map[string]any{"everyone": true, "text": text}, &reached, onceOnly); err != nil {
			t.Errorf("message %s: %v", text, err)
			return sent
		}
		sent = append(sent, text)
	}
}
