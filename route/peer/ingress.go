package peer

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
	"cim/route"
)

// maxSkew is how far the clock of a sender may be from ours: how long a request that was overheard could be
// repeated.
const maxSkew = 30 * time.Second

// IngressConfig says what an Ingress stands on. Local, Instance and Secrets are required.
type IngressConfig struct {
	Local    route.Peer // the server of this process
	Instance string     // its name; batches for another one are refused
	Secrets  *Secrets
	// Timeout bounds the work for one request. It is the time after which the sender has given up. Default 1 s.
	Timeout time.Duration
	Now     func() time.Time // default: time.Now
}

// Ingress takes batches from other processes of the cluster. Safe for concurrent use.
type Ingress struct {
	cfg      IngressConfig // immutable after NewIngress
	counters ingressCounters
}

// NewIngress makes an Ingress; mount its Handle at POST Path. Errors: ErrConfig.
func NewIngress(cfg IngressConfig) (*Ingress, error) {
	if cfg.Local == nil || cfg.Instance == "" || cfg.Secrets == nil {
		return nil, fmt.Errorf("%w: Local, Instance and Secrets are required", ErrConfig)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Ingress{cfg: cfg}, nil
}

// Handle answers one request: 200 and a signed reply, or 413 over MaxBatchBytes, 401 unless it is signed with the
// cluster's secret and its time is within 30 s of our clock, 400 when it cannot be read, 409 when it is for another
// instance.
func (g *Ingress) Handle(rc *fasthttp.RequestCtx) {
	g.counters.requests.Add(1)
	body := rc.PostBody()
	if len(body) > MaxBatchBytes {
		g.refuse(rc, refusedSize, fasthttp.StatusRequestEntityTooLarge, "the batch is over the limit")
		return
	}
	secret, ok := g.authenticate(rc, body)
	if !ok {
		return
	}
	b := &cimpb.PushBatch{}
	if err := proto.Unmarshal(body, b); err != nil { // copies, so nothing of the request is kept
		g.refuse(rc, refusedFormat, fasthttp.StatusBadRequest, "this is no batch")
		return
	}
	if b.ToInstance != g.cfg.Instance {
		g.refuse(rc, refusedInstance, fasthttp.StatusConflict, "another server is here")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.Timeout)
	defer cancel()
	g.reply(rc, g.answer(ctx, b), secret)
}

// authenticate returns the secret that the sender has used; the cheap questions come first.
func (g *Ingress) authenticate(rc *fasthttp.RequestCtx, body []byte) ([]byte, bool) {
	sentAt, given := rc.Request.Header.Peek(headerTime), rc.Request.Header.Peek(headerSignature)
	ms, err := strconv.ParseInt(string(sentAt), 10, 64)
	if err != nil || len(given) == 0 {
		g.refuse(rc, refusedUnsigned, fasthttp.StatusUnauthorized, "the request is not signed")
		return nil, false
	}
	if skew := g.cfg.Now().Sub(time.UnixMilli(ms)); skew.Abs() > maxSkew {
		g.refuse(rc, refusedClock, fasthttp.StatusUnauthorized, textClock)
		return nil, false
	}
	secret := g.cfg.Secrets.signer(given, sentAt, body)
	if secret == nil {
		g.refuse(rc, refusedSignature, fasthttp.StatusUnauthorized, textOtherSecret)
		return nil, false
	}
	return secret, true
}

func (g *Ingress) refuse(rc *fasthttp.RequestCtx, why refusal, status int, text string) {
	g.counters.refused[why].Add(1)
	rc.SetStatusCode(status)
	rc.SetContentType("text/plain; charset=utf-8")
	rc.SetBodyString(text)
}

func (g *Ingress) reply(rc *fasthttp.RequestCtx, r *cimpb.PushReply, secret []byte) {
	body, err := proto.Marshal(r)
	if err != nil {
		panic("peer: a reply cannot be encoded: " + err.Error()) // it holds numbers and our own name only
	}
	rc.SetContentType(contentType)
	rc.Response.Header.SetBytesV(headerSignature, signReply(secret, rc.Request.Header.Peek(headerSignature), body))
	rc.SetBody(body)
}
