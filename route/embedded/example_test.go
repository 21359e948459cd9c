package embedded_test

import (
	"context"
	"fmt"

	"cim/route"
	"cim/route/embedded"
)

// A message is stored for somebody who is away, and read when they are back.
func Example() {
	ctx := context.Background()
	store, err := embedded.Open(embedded.Config{Dir: embedded.Memory})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	bob, _, err := store.Create(ctx, "bob", route.User, route.SecretHash{})
	if err != nil {
		fmt.Println(err)
		return
	}
	hi := route.Entry{Receiver: bob.ID, Sender: 7, Device: "phone", ClientMsgID: 1, Body: []byte("hi")}
	for range 2 { // sent again, because the first answer was lost
		answer := store.Append(ctx, []route.Entry{hi})[0]
		fmt.Println("stored at", answer.Seq, "duplicate:", answer.Duplicate, "online:", answer.Holder.Held())
	}

	session, err := store.Claim(ctx, route.ClaimRequest{User: bob.ID, Device: "laptop", Instance: "server-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := store.Read(ctx, bob.ID, route.Cursor{LogEpoch: session.Inbox.LogEpoch, Seq: session.Inbox.Acked}, 100, 1<<20)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range page.Messages {
		fmt.Printf("%d %s\n", m.Seq, m.Body)
	}
	// Output:
	// stored at 1 duplicate: false online: false
	// stored at 1 duplicate: true online: false
	// 1 hi
}
