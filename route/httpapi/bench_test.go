package httpapi

import (
	"context"
	"testing"

	"github.com/valyala/fasthttp"

	"cim/route"
)

// silentRouter accepts everything, so that what is measured is the API.
type silentRouter struct{ *fakeRouter }

func (silentRouter) Account(context.Context, int64) (route.Account, error) {
	return route.Account{ID: 1, Name: "alice"}, nil
}

func (silentRouter) Deliver(_ context.Context, sends []route.Send) []route.Outcome {
	out := make([]route.Outcome, len(sends))
	for i := range out {
		out[i] = route.Outcome{Stored: true, Seq: 1, LogEpoch: 1, Online: true}
	}
	return out
}

func BenchmarkSend(b *testing.B) {
	for _, bb := range []struct{ name, path, body string }{
		{"cim", "/p2pRoute", `{"userId":1547028929407,"receiveUserId":1547028929408,"msg":"hello, how are you?"}`},
		{"v1", "/v1/messages", `{"from":1547028929407,"to":1547028929408,"text":"hello, how are you?"}`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			a, err := New(Config{Router: silentRouter{newFakeRouter()}, AuthCIM: true})
			if err != nil {
				b.Fatal(err)
			}
			defer a.Shutdown(context.Background())
			var rc fasthttp.RequestCtx
			b.ReportAllocs()
			for b.Loop() {
				rc.Request.Reset()
				rc.Response.Reset()
				rc.Request.Header.SetMethod(post)
				rc.Request.SetRequestURI(bb.path)
				rc.Request.Header.SetContentType("application/json")
				rc.Request.SetBodyString(bb.body)
				a.handle(&rc)
			}
			if rc.Response.StatusCode() != 200 {
				b.Fatalf("%d %s", rc.Response.StatusCode(), rc.Response.Body())
			}
		})
	}
}
