package peer

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
	"cim/route"
)

var ingressNow = time.UnixMilli(1_700_000_000_000)

func newIngress(t testing.TB, local route.Peer, text string) *Ingress {
	t.Helper()
	g, err := NewIngress(IngressConfig{
		Local: local, Instance: "a", Secrets: secrets(t, text), Now: func() time.Time { return ingressNow },
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// post has the ingress handle one request, signed with a secret at a time.
func post(g *Ingress, secret string, at time.Time, body []byte) *fasthttp.RequestCtx {
	sentAt := strconv.FormatInt(at.UnixMilli(), 10)
	return postRaw(g, sentAt, string(signRequest([]byte(secret), []byte(sentAt), body)), body)
}

func postRaw(g *Ingress, sentAt, signature string, body []byte) *fasthttp.RequestCtx {
	var rc fasthttp.RequestCtx
	rc.Request.Header.SetMethod("POST")
	rc.Request.Header.Set(headerTime, sentAt)
	rc.Request.Header.Set(headerSignature, signature)
	rc.Request.SetBody(body)
	g.Handle(&rc)
	return &rc
}

func encode(t testing.TB, b *cimpb.PushBatch) []byte {
	t.Helper()
	body, err := proto.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestIngressRefuses(t *testing.T) {
	body := encode(t, &cimpb.PushBatch{FromInstance: "x", ToInstance: "a", Pushes: []*cimpb.Push{{User: 1, Body: []byte("hi")}}})
	other := encode(t, &cimpb.PushBatch{ToInstance: "b", Pushes: []*cimpb.Push{{User: 1}}})
	at := strconv.FormatInt(ingressNow.UnixMilli(), 10)
	good := string(signRequest([]byte(testSecret), []byte(at), body))
	for name, c := range map[string]struct {
		do     func(*Ingress) *fasthttp.RequestCtx
		status int
		reason string
	}{
		"not signed":          {func(g *Ingress) *fasthttp.RequestCtx { return postRaw(g, at, "", body) }, 401, "unsigned"},
		"no time":             {func(g *Ingress) *fasthttp.RequestCtx { return postRaw(g, "", good, body) }, 401, "unsigned"},
		"a time that is none": {func(g *Ingress) *fasthttp.RequestCtx { return postRaw(g, "noon", good, body) }, 401, "unsigned"},
		"another secret":      {func(g *Ingress) *fasthttp.RequestCtx { return post(g, testSecret+"!", ingressNow, body) }, 401, "signature"},
		"half a signature":    {func(g *Ingress) *fasthttp.RequestCtx { return postRaw(g, at, good[:32], body) }, 401, "signature"},
		"upper case":          {func(g *Ingress) *fasthttp.RequestCtx { return postRaw(g, at, strings.ToUpper(good), body) }, 401, "signature"},
		"another body":        {func(g *Ingress) *fasthttp.RequestCtx { return postRaw(g, at, good, append(body, 0x42, 0)) }, 401, "signature"},
		"another time":        {func(g *Ingress) *fasthttp.RequestCtx { return postRaw(g, at[:12]+"1", good, body) }, 401, "signature"},
		"a clock that is behind": {func(g *Ingress) *fasthttp.RequestCtx {
			return post(g, testSecret, ingressNow.Add(-30001*time.Millisecond), body)
		}, 401, "clock"},
		"a clock that is ahead": {func(g *Ingress) *fasthttp.RequestCtx {
			return post(g, testSecret, ingressNow.Add(30001*time.Millisecond), body)
		}, 401, "clock"},
		"no batch":                 {func(g *Ingress) *fasthttp.RequestCtx { return post(g, testSecret, ingressNow, []byte{0xff}) }, 400, "format"},
		"for another instance":     {func(g *Ingress) *fasthttp.RequestCtx { return post(g, testSecret, ingressNow, other) }, 409, "wrong_instance"},
		"for nobody in particular": {func(g *Ingress) *fasthttp.RequestCtx { return post(g, testSecret, ingressNow, nil) }, 409, "wrong_instance"},
		"too large": {func(g *Ingress) *fasthttp.RequestCtx {
			return post(g, testSecret, ingressNow, make([]byte, MaxBatchBytes+1))
		}, 413, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			server := newFakeServer()
			g := newIngress(t, server, testSecret)
			rc := c.do(g)
			if got := rc.Response.StatusCode(); got != c.status {
				t.Errorf("status %d, want %d: %s", got, c.status, rc.Response.Body())
			}
			if n := g.Stats().Refused[c.reason]; n != 1 {
				t.Errorf("refusals %v, want one for %s", g.Stats().Refused, c.reason)
			}
			if len(server.seen()) != 0 {
				t.Error("a message of a refused request was delivered")
			}
			if len(rc.Response.Header.Peek(headerSignature)) != 0 {
				t.Error("a refusal is signed")
			}
		})
	}
}

func TestIngressTakesWhatItShould(t *testing.T) {
	const other = "the other secret that counts, 32 B"
	body := encode(t, &cimpb.PushBatch{ToInstance: "a", Pushes: []*cimpb.Push{{User: 1, Body: []byte("hi")}}})
	for name, c := range map[string]struct {
		secret string
		at     time.Time
	}{
		"the current secret":      {testSecret, ingressNow},
		"the other secret":        {other, ingressNow},
		"a clock 30 s behind":     {testSecret, ingressNow.Add(-30 * time.Second)},
		"a clock 30 s ahead":      {testSecret, ingressNow.Add(30 * time.Second)},
		"both, with some trouble": {other, ingressNow.Add(-29 * time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			server := newFakeServer()
			g := newIngress(t, server, testSecret+"\n"+other)
			rc := post(g, c.secret, c.at, body)
			if rc.Response.StatusCode() != 200 || len(server.seen()) != 1 {
				t.Fatalf("%d %s, %d messages", rc.Response.StatusCode(), rc.Response.Body(), len(server.seen()))
			}
			request := rc.Request.Header.Peek(headerSignature)
			if got := rc.Response.Header.Peek(headerSignature); !bytes.Equal(got, signReply([]byte(c.secret), request, rc.Response.Body())) {
				t.Error("the reply is not signed with the secret of the request")
			}
		})
	}
}

func TestIngressConfig(t *testing.T) {
	for name, cfg := range map[string]IngressConfig{
		"no server":   {Instance: "a", Secrets: secrets(t, testSecret)},
		"no instance": {Local: newFakeServer(), Secrets: secrets(t, testSecret)},
		"no secrets":  {Local: newFakeServer(), Instance: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewIngress(cfg)
			wantErr(t, err, ErrConfig)
		})
	}
}

// TestIngressKeepsNothingOfTheRequest: fasthttp uses the request's memory again.
func TestIngressKeepsNothingOfTheRequest(t *testing.T) {
	server := newFakeServer()
	body := encode(t, &cimpb.PushBatch{
		ToInstance: "a", Pushes: []*cimpb.Push{{User: 1, Body: []byte("for one")}}, Broadcasts: []*cimpb.Broadcast{{Body: []byte("for all")}},
	})
	rc := post(newIngress(t, server, testSecret), testSecret, ingressNow, body)
	sent := rc.Request.Body()
	for i := range sent {
		sent[i] = 'x'
	}
	if got := string(server.pushed[0].Body) + ", " + string(server.broadcasts[0].Body); got != "for one, for all" {
		t.Fatalf("after the request was overwritten: %s", got)
	}
}

// TestClientBelievesOnlyItsServer: whatever else comes back is an error, and the server counts as down.
func TestClientBelievesOnlyItsServer(t *testing.T) {
	spoil := func(change func(*cimpb.PushReply)) func(*Ingress, *fasthttp.RequestCtx) {
		return func(g *Ingress, rc *fasthttp.RequestCtx) {
			r := &cimpb.PushReply{}
			if err := proto.Unmarshal(rc.Response.Body(), r); err != nil {
				panic(err)
			}
			change(r)
			g.reply(rc, r, []byte(testSecret))
		}
	}
	for name, c := range map[string]struct {
		change func(*Ingress, *fasthttp.RequestCtx)
		want   error
	}{
		"not signed":          {func(_ *Ingress, rc *fasthttp.RequestCtx) { rc.Response.Header.Del(headerSignature) }, ErrBadReply},
		"changed on its way":  {func(_ *Ingress, rc *fasthttp.RequestCtx) { rc.Response.Body()[0] ^= 1 }, ErrBadReply},
		"signed by another":   {func(g *Ingress, rc *fasthttp.RequestCtx) { g.reply(rc, &cimpb.PushReply{}, []byte("another secret")) }, ErrBadReply},
		"of another instance": {spoil(func(r *cimpb.PushReply) { r.Instance = "b" }), ErrBadReply},
		"too few answers":     {spoil(func(r *cimpb.PushReply) { r.Holds = nil }), ErrBadReply},
		"too many answers":    {spoil(func(r *cimpb.PushReply) { r.Kicks = []bool{true} }), ErrBadReply},
		"the reply to another request": {func(_ *Ingress, rc *fasthttp.RequestCtx) {
			rc.Response.Header.SetBytesV(headerSignature, signReply([]byte(testSecret), []byte("another"), rc.Response.Body()))
		}, ErrBadReply},
		"no message": {func(g *Ingress, rc *fasthttp.RequestCtx) {
			body := []byte{0xff}
			rc.Response.Header.SetBytesV(headerSignature, signReply([]byte(testSecret), rc.Request.Header.Peek(headerSignature), body))
			rc.SetBody(body)
		}, ErrBadReply},
		"too large":        {func(_ *Ingress, rc *fasthttp.RequestCtx) { rc.SetBody(make([]byte, maxReplyBytes+1)) }, ErrUnanswered},
		"an error":         {func(_ *Ingress, rc *fasthttp.RequestCtx) { rc.SetStatusCode(500) }, ErrRefused},
		"a wrong secret":   {func(_ *Ingress, rc *fasthttp.RequestCtx) { rc.SetStatusCode(401) }, ErrRefused},
		"another instance": {func(_ *Ingress, rc *fasthttp.RequestCtx) { rc.SetStatusCode(409) }, ErrWrongInstance},
	} {
		t.Run(name, func(t *testing.T) {
			n := newCluster(t, nil, "a")
			n.servers["a"].holds[42] = 7
			g := n.ingress["a"]
			n.net.listen(n.address("a"), func(rc *fasthttp.RequestCtx) {
				g.Handle(rc)
				c.change(g, rc)
			})
			holds, err := n.peer("a").Holds(t.Context(), 42, 7)
			wantErr(t, err, c.want)
			if holds {
				t.Error("the answer was believed")
			}
			if n.Stats().Down != 1 {
				t.Error("the server does not count as down")
			}
		})
	}
}

// FuzzIngress: a member of the cluster may be of another version, or broken.
func FuzzIngress(f *testing.F) {
	f.Add(unhex(f, goldenRequest))
	f.Add(encode(f, &cimpb.PushBatch{
		ToInstance: "a", Pushes: []*cimpb.Push{{}, {User: -1, Seq: 1 << 63}}, Broadcasts: []*cimpb.Broadcast{{}},
		Holds: []*cimpb.SessionRef{{}}, Expects: []*cimpb.Expect{{WithinMs: 1 << 31}, {SessionEpoch: 1}},
		Kicks: []*cimpb.SessionRef{{Code: 1 << 31}}, CatchUps: []int64{0, -1}, Onlines: []*cimpb.OnlineAsk{{Limit: 1 << 31}},
	}))
	g := newIngress(f, newFakeServer(), testSecret)
	f.Fuzz(func(t *testing.T, body []byte) {
		rc := post(g, testSecret, ingressNow, body)
		if rc.Response.StatusCode() != 200 {
			return
		}
		b, r := &cimpb.PushBatch{}, &cimpb.PushReply{}
		if proto.Unmarshal(body, b) != nil || proto.Unmarshal(rc.Response.Body(), r) != nil {
			t.Fatal("it was answered and cannot be read")
		}
		if !fits(b, r) {
			t.Fatalf("the reply does not fit: %v, %v", b, r)
		}
	})
}
