package httpapi

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// The Router is a *route.Router in a real program.
func ExampleNew() {
	api, err := New(Config{Router: newFakeRouter(), AuthCIM: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error, 1)
	go func() { served <- api.Serve(ln) }()

	url := "http://" + ln.Addr().String() + "/v1/messages"
	res, err := http.Post(url, "application/json", strings.NewReader(`{"from":1,"users":[2,99],"text":"hello"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(res.StatusCode, string(body))
	fmt.Println(api.Shutdown(context.Background()), <-served)
	// Output:
	// 200 {"results":[{"user_id":2,"result":"stored","seq":1,"log_epoch":7},{"user_id":99,"result":"unknown_user"}]}
	// <nil> <nil>
}
