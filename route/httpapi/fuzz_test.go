package httpapi

import (
	"context"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
	"google.golang.org/protobuf/proto"

	cimpb "cim/proto"
	"cim/route"
	"cim/route/auth"
)

// checkedRouter fails the test when something invalid reaches routing.
type checkedRouter struct {
	*fakeRouter
	t *testing.T
}

func (r checkedRouter) Register(ctx context.Context, name string, kind route.Kind, secret route.SecretHash) (route.Account, bool, error) {
	if name == "" || !utf8.ValidString(name) || kind > route.Device {
		r.t.Errorf("Register(%q, %d)", name, kind)
	}
	return r.fakeRouter.Register(ctx, name, kind, secret)
}

func (r checkedRouter) Deliver(ctx context.Context, sends []route.Send) []route.Outcome {
	for _, s := range sends {
		frame := new(cimpb.Frame)
		if err := proto.Unmarshal(s.Body, frame); err != nil {
			r.t.Errorf("body: %v", err)
		}
		if s.Everyone == (s.To != 0) || s.To < 0 || s.To > route.MaxID || s.Everyone && s.QoS != 0 || s.ClientMsgID > route.MaxID {
			r.t.Errorf("send %+v", s)
		}
		if frame.GetText() == "" && len(frame.GetBatch()) == 0 && len(frame.GetPayload()) == 0 {
			r.t.Errorf("an empty message: %v", frame)
		}
		if len(s.Body) > 64<<10 {
			r.t.Errorf("a body of %d bytes", len(s.Body))
		}
	}
	return r.fakeRouter.Deliver(ctx, sends)
}

// FuzzRequests decodes and runs bodies as each endpoint does; none may panic, fail without a reason for
// the caller, or get something invalid past the checks.
func FuzzRequests(f *testing.F) {
	for _, body := range []string{
		`{"userId":"1","receiveUserId":2,"msg":"hi","batchMsg":["a"]}`, `{"userName":"zs"}`, `{"name":"x","kind":"device"}`,
		`{"accounts":[{"name":"x"}]}`, `{"from":1,"users":[1,2],"payload":"AAEC","qos":0,"client_msg_id":5}`, `{"everyone":true,"text":"x"}`,
		`{"userId":2,"msg":"x","properties":{"sendUserId":"1","sendUserName":"a"}}`, `[]`, `{`, `null`, `{"to":1e3,"text":"\ud800"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &API{cfg: Config{Router: checkedRouter{newFakeRouter(), t}, AuthCIM: true}}
		if err := a.cfg.complete(); err != nil {
			t.Fatal(err)
		}
		before := string(body)
		for _, err := range []error{
			decoded(decodeLoose, body, a.cimRegister), decoded(decodeLoose, body, a.cimLogin), decoded(decodeLoose, body, a.cimOffLine),
			decoded(decodeLoose, body, a.cimGroup), decoded(decodeLoose, body, a.cimP2P), decoded(decodeLoose, body, a.cimFetchOffline),
			decoded(decodeLoose, body, a.cimSendMsg), decoded(decodeStrict, body, called(a, a.v1Register)),
			decoded(decodeStrict, body, called(a, a.v1Login)), decoded(decodeStrict, body, called(a, a.v1Send)),
		} {
			var known *cimRefusal
			if err != nil && !errors.As(err, &known) && failureOf(err).code == cimpb.CodeInternal {
				t.Errorf("no reason for the caller: %v", err)
			}
		}
		if string(body) != before {
			t.Error("the body was changed")
		}
	})
}

// called runs a handler of /v1 for an application.
func called[In any](a *API, h func(*call, *In) (reply, error)) func(context.Context, *In) (reply, error) {
	return func(ctx context.Context, in *In) (reply, error) {
		c := &call{api: a, ctx: ctx, http: new(fasthttp.RequestCtx), caller: auth.Caller{Kind: auth.Application}}
		return h(c, in)
	}
}

func decoded[In, Out any](decode func([]byte, any) error, body []byte, h func(context.Context, *In) (Out, error)) error {
	in := new(In)
	if err := decode(body, in); err != nil {
		return err
	}
	_, err := h(context.Background(), in)
	return err
}
