package route_test

import (
	"context"
	"fmt"

	"cim/route"
	"cim/route/embedded"
)

// printer is a server that prints what it is pushed.
type printer struct{ *fakePeer }

func (printer) Push(_ context.Context, pushes []route.Push) ([]route.PushResult, error) {
	results := make([]route.PushResult, len(pushes))
	for i, p := range pushes {
		fmt.Println("push seq", p.Seq, "to session", p.SessionEpoch > 0)
		results[i] = route.PushWritten
	}
	return results, nil
}

// A Router over the embedded store and a server of one's own: alice's message is stored for bob and pushed
// to where he is connected.
func Example() {
	ctx := context.Background()
	store, _ := embedded.Open(embedded.Config{Dir: embedded.Memory})
	defer store.Close()
	registry := embedded.NewRegistry()
	leave, _ := registry.Join(ctx, route.Server{Instance: "s1"})
	defer leave()
	router, _ := route.New(route.Config{
		Accounts: store, Directory: store, Inbox: store, Registry: registry,
		Peers: peersFunc(func(route.Server) (route.Peer, bool) { return printer{newFakePeer()}, true }),
	})

	bob, _, _ := router.Register(ctx, "bob", route.User, route.SecretHash{})
	_, _ = router.Claim(ctx, route.Login{User: bob.ID, Device: "phone", Instance: "s1"})
	body, _ := route.EncodeBody(route.Message{FromName: "alice", Text: "hello"})
	sent := router.Deliver(ctx, []route.Send{{To: bob.ID, QoS: route.AtLeastOnce, Body: body}})
	fmt.Println("stored:", sent[0].Stored)
	// Output:
	// push seq 1 to session true
	// stored: true
}
