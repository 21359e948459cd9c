package peer_test

import (
	"context"
	"fmt"
	"net"

	"github.com/valyala/fasthttp"

	"cim/route"
	"cim/route/embedded"
	"cim/route/peer"
)

// counter is a server that counts what it gets; the rest of route.Peer is left out.
type counter struct{ route.Peer }

func (counter) Broadcast(context.Context, route.Broadcast) (int, error) { return 3, nil }

func (counter) Load(context.Context) (route.Load, error) { return route.Load{Sessions: 3}, nil }

// One process asks the server of another one.
func Example() {
	secrets, err := peer.ParseSecrets([]byte("a line of at least 32 bytes, in a file"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ingress, err := peer.NewIngress(peer.IngressConfig{Local: counter{}, Instance: "s1", Secrets: secrets})
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	web := &fasthttp.Server{Handler: ingress.Handle}
	doneCh := make(chan error, 1)
	go func() { doneCh <- web.Serve(ln) }()

	client, err := peer.New(peer.Config{Instance: "r1", Secrets: secrets, Servers: embedded.NewRegistry()})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, _ := client.Peer(route.Server{Instance: "s1", Host: "127.0.0.1", HTTPPort: ln.Addr().(*net.TCPAddr).Port})
	reached, err := p.Broadcast(context.Background(), route.Broadcast{Body: []byte("hello")})
	load, _ := client.Load("s1")
	fmt.Println(reached, err, load.Sessions)

	client.Close()
	_ = web.Shutdown()
	fmt.Println(<-doneCh)
	// Output:
	// 3 <nil> 3
	// <nil>
}
