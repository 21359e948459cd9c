package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	cimpb "cim/proto"
	"cim/route"
)

const (
	cimOK        = `{"code":"9000","message":"Success","reqNo":null,"dataBody":null}`
	cimIsOffline = `{"code":"7000","message":"You selected user is offline!, please try again later!","reqNo":null,"dataBody":null}`
	cimIsUnknown = `{"code":"9100","message":"The User information you have used is incorrect!","reqNo":null,"dataBody":null}`
)

func cimIsInvalid(message string) string {
	return `{"code":"3000","message":"` + message + `","reqNo":null,"dataBody":null}`
}

func cimHas(data string) string {
	return `{"code":"9000","message":"Success","reqNo":null,"dataBody":` + data + `}`
}

// The bytes are what CIM answers (its README's curl examples, and Jackson's order of fields).
func TestCIMAnswers(t *testing.T) {
	const server = `{"ip":"10.0.0.9","cimServerPort":11211,"httpPort":8081}`
	big := strings.Repeat("x", MaxContentBytes+1)
	tests := []struct {
		name, path, body string
		prepare          func(*fakeRouter)
		want             string
	}{
		{"register, as in CIM's README", "/registerAccount", `{"reqNo": "1234567890","timeStamp": 0,"userName": "zhangsan"}`, nil, cimHas(`{"userId":4,"userName":"zhangsan"}`)},
		{"register an existing name", "/registerAccount", `{"userName":"alice"}`, nil, cimHas(`{"userId":1,"userName":"alice"}`)},
		{"register HTML", "/registerAccount", `{"userName":"<a&b>"}`, nil, cimHas(`{"userId":4,"userName":"<a&b>"}`)},
		{"register nothing", "/registerAccount", `{}`, nil, cimIsInvalid("userName is missing")},
		{"register a bad name", "/registerAccount", `{"userName":"bad;name"}`, nil, cimIsInvalid("The name does not do: " + route.ErrInvalidName.Error() + ".")},
		{"register without a store", "/registerAccount", `{"userName":"zs"}`, down, `{"code":"8000","message":"FALL_BACK","reqNo":null,"dataBody":null}`},

		{"login", "/login", `{"userId":1,"userName":"alice"}`, nil, cimHas(server)},
		{"login with an id in a text", "/login", `{"userName":"alice","userId":"1"}`, nil, cimHas(server)},
		{"login with base path", "//login", `{"userId":1,"userName":"alice"}`, nil, cimHas(server)},
		{"login of an unknown id", "/login", `{"userId":99,"userName":"alice"}`, nil, cimIsUnknown},
		{"login with another name", "/login", `{"userId":1,"userName":"bob"}`, nil, cimIsUnknown},
		{"login twice", "/login", `{"userId":1,"userName":"alice"}`, func(f *fakeRouter) { f.held[1] = true }, `{"code":"5000","message":"Repeat login, log out an account please!","reqNo":null,"dataBody":null}`},
		{"login without a server", "/login", `{"userId":1,"userName":"alice"}`, func(f *fakeRouter) { f.noServer = true }, `{"code":"7100","message":"cim server is not available, please try again later!","reqNo":null,"dataBody":null}`},
		{"login without id", "/login", `{"userName":"alice"}`, nil, cimIsInvalid("userId is missing")},
		{"login without name", "/login", `{"userId":1}`, nil, cimIsInvalid("userName is missing")},
		{"login with a large id", "/login", `{"userId":9007199254740992,"userName":"a"}`, nil, cimIsInvalid("userId has to be between 1 and 9007199254740991")},
		{"login with a word for an id", "/login", `{"userId":"one","userName":"a"}`, nil, cimIsInvalid(`\"one\" is not an id`)},

		{"log out", "/offLine", `{"userId":1,"msg":"offLine"}`, nil, cimOK},
		{"log out an unknown user", "/offLine", `{"userId":99}`, nil, cimOK},
		{"log out an unknown user that routing refuses", "/offLine", `{"userId":99}`, failing(route.ErrUnknownUser), cimOK},
		{"log out nobody", "/offLine", `{"msg":"offLine"}`, nil, cimIsInvalid("userId is missing")},
		{"log out without a store", "/offLine", `{"userId":1}`, down, `{"code":"8000","message":"FALL_BACK","reqNo":null,"dataBody":null}`},

		{"group", "/groupRoute", `{"userId":1,"msg":"hi"}`, nil, cimOK},
		{"group with nobody", "/groupRoute", `{"userId":1,"msg":"hi"}`, func(f *fakeRouter) { f.online = nil }, cimOK},
		{"group from a stranger", "/groupRoute", `{"userId":99,"msg":"hi"}`, nil, cimIsUnknown},
		{"group says nothing", "/groupRoute", `{"userId":1,"msg":""}`, nil, cimIsInvalid("The message is empty.")},

		{"p2p", "/p2pRoute", `{"userId":1,"receiveUserId":2,"msg":"hi"}`, nil, cimOK},
		{"p2p batch", "/p2pRoute", `{"userId":1,"receiveUserId":2,"batchMsg":["a","b"]}`, nil, cimOK},
		{"p2p empty batch and text", "/p2pRoute", `{"userId":1,"receiveUserId":2,"msg":"a","batchMsg":[]}`, nil, cimOK},
		{"p2p to someone offline", "/p2pRoute", `{"userId":1,"receiveUserId":3,"msg":"hi"}`, nil, cimIsOffline},
		{"p2p to nobody", "/p2pRoute", `{"userId":1,"receiveUserId":99,"msg":"hi"}`, nil, `{"code":"7000","message":"No such user: nothing was stored.","reqNo":null,"dataBody":null}`},
		{"p2p from a stranger", "/p2pRoute", `{"userId":99,"receiveUserId":2,"msg":"hi"}`, nil, cimIsUnknown},
		{"p2p with a full inbox", "/p2pRoute", `{"userId":1,"receiveUserId":2,"msg":"hi"}`, refusing(2, route.ErrInboxFull), `{"code":"9200","message":"offline message storage error","reqNo":null,"dataBody":null}`},
		{"p2p without a store", "/p2pRoute", `{"userId":1,"receiveUserId":2,"msg":"hi"}`, down, `{"code":"9200","message":"offline message storage error","reqNo":null,"dataBody":null}`},
		{"p2p while busy", "/p2pRoute", `{"userId":1,"receiveUserId":2,"msg":"hi"}`, refusing(2, route.ErrOverloaded), `{"code":"6000","message":"Request limit, please try again later!","reqNo":null,"dataBody":null}`},
		{"p2p without receiver", "/p2pRoute", `{"userId":1,"msg":"hi"}`, nil, cimIsInvalid("receiveUserId is missing")},
		{"p2p without sender", "/p2pRoute", `{"receiveUserId":1,"msg":"hi"}`, nil, cimIsInvalid("userId is missing")},
		{"p2p without text", "/p2pRoute", `{"userId":1,"receiveUserId":2}`, nil, cimIsInvalid("The message is empty.")},
		{"p2p with a hole in the batch", "/p2pRoute", `{"userId":1,"receiveUserId":2,"batchMsg":["a",""]}`, nil, cimIsInvalid("A text of the batch is empty.")},
		{"p2p with too much", "/p2pRoute", `{"userId":1,"receiveUserId":2,"msg":"` + big + `"}`, nil, cimIsInvalid("A message carries up to 61440 bytes; send it in smaller parts.")},
		{"p2p with a defect", "/p2pRoute", `{"userId":1,"receiveUserId":2,"msg":"hi"}`, refusing(2, errors.New("boom")), `{"code":"8000","message":"FALL_BACK","reqNo":null,"dataBody":null}`},

		{"fetch", "/fetchOfflineMsgs", `{"receiveUserId":1}`, nil, cimOK},
		{"fetch without a connection", "/fetchOfflineMsgs", `{"receiveUserId":3}`, nil, cimOK},
		{"fetch without a store", "/fetchOfflineMsgs", `{"receiveUserId":1}`, down, `{"code":"9201","message":"offline message fetch error","reqNo":null,"dataBody":null}`},
		{"fetch for nobody", "/fetchOfflineMsgs", `{}`, nil, cimIsInvalid("receiveUserId is missing")},

		{"push", "/sendMsg", `{"msg":"hello","userId":2,"cmd":"MESSAGE","properties":{"sendUserId":"1","sendUserName":"a","receiveUserId":"2"}}`, nil, cimHas(`{"msg":"OK"}`)},
		{"push from an application", "/sendMsg", `{"msg":"hello","userId":2}`, nil, cimHas(`{"msg":"OK"}`)},
		{"push to someone offline", "/sendMsg", `{"msg":"hello","userId":3}`, nil, cimIsOffline},
		{"push that reaches nobody", "/sendMsg", `{"msg":"hello","userId":2}`, func(f *fakeRouter) { f.mute = true }, cimIsOffline},
		{"push to nobody", "/sendMsg", `{"msg":"hello","userId":99}`, nil, cimIsOffline},
		{"push to a slow reader", "/sendMsg", `{"msg":"hello","userId":2}`, refusing(2, route.ErrSlow), `{"code":"6000","message":"Request limit, please try again later!","reqNo":null,"dataBody":null}`},
		{"push without receiver", "/sendMsg", `{"msg":"hello"}`, nil, cimIsInvalid("userId is missing")},
		{"push nothing", "/sendMsg", `{"userId":2}`, nil, cimIsInvalid("The message is empty.")},
		{"push from a word", "/sendMsg", `{"msg":"x","userId":2,"properties":{"sendUserId":"me"}}`, nil, cimIsInvalid("properties.sendUserId is not an id")},
		{"push from below zero", "/sendMsg", `{"msg":"x","userId":2,"properties":{"sendUserId":"-1"}}`, nil, cimIsInvalid("properties.sendUserId has to be between 1 and 9007199254740991")},
		{"push from a long name", "/sendMsg", `{"msg":"x","userId":2,"properties":{"sendUserName":"` + big[:65] + `"}}`, nil, cimIsInvalid("properties.sendUserName is over 64 bytes")},

		{"no JSON", "/login", `userId=1`, nil, cimIsInvalid("The body is not the JSON it should be: invalid character 'u' looking for beginning of value.")},
		{"no body", "/login", ``, nil, cimIsInvalid("The body is not the JSON it should be: unexpected end of JSON input.")},
		{"a list", "/login", `[]`, nil, cimIsInvalid("The body has to be an object.")},
		{"a number for a text", "/groupRoute", `{"userId":1,"msg":5}`, nil, cimIsInvalid(`\"msg\" has to be a text.`)},
		{"broken UTF-8", "/groupRoute", "{\"userId\":1,\"msg\":\"\xff\"}", nil, cimIsInvalid("The body is not UTF-8.")},
	}
	f := newFixture(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.fresh(t, tt.prepare)
			got := f.expect(http.MethodPost, tt.path, tt.body, http.StatusOK, tt.want)
			if ct := got.header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("Content-Type %q", ct)
			}
		})
	}
}

func down(f *fakeRouter) { f.err = fmt.Errorf("append: %w", route.ErrStoreUnavailable) }

func failing(err error) func(*fakeRouter) { return func(f *fakeRouter) { f.err = err } }

func refusing(user int64, err error) func(*fakeRouter) {
	return func(f *fakeRouter) { f.errTo[user] = err }
}

func TestCIMOnlineUser(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Limits.Items = 7 })
	both := cimHas(`[{"userId":1,"userName":"alice"},{"userId":2,"userName":"bob"}]`)
	f.expect(http.MethodGet, "/onlineUser", "", http.StatusOK, both)
	f.expect(http.MethodPost, "/onlineUser", "{}", http.StatusOK, both)
	f.expect(http.MethodPost, "/onlineUser", "", http.StatusOK, both)
	if want := []int{7, 7, 7, 7, 7, 7}; !slices.Equal(f.router.pages, want) {
		t.Errorf("pages were asked for with limits %v, want %v", f.router.pages, want)
	}
	f.router.online = nil
	f.expect(http.MethodGet, "/onlineUser", "", http.StatusOK, cimOK)
	down(f.router)
	f.expect(http.MethodGet, "/onlineUser", "", http.StatusOK, `{"code":"8000","message":"FALL_BACK","reqNo":null,"dataBody":null}`)
}

func TestCIMLogoutAndFetchReachRouting(t *testing.T) {
	f := newFixture(t)
	f.do(http.MethodPost, "/offLine", `{"userId":1}`)
	f.do(http.MethodPost, "/fetchOfflineMsgs", `{"receiveUserId":2}`)
	if !slices.Equal(f.router.logouts, []int64{1}) || !slices.Equal(f.router.fetches, []int64{2}) {
		t.Errorf("logouts %v, fetches %v", f.router.logouts, f.router.fetches)
	}
}

func TestCIMMessages(t *testing.T) {
	tests := []struct {
		name, path, body string
		send             route.Send
		text             string
		batch            []string
	}{
		{"group", "/groupRoute", `{"userId":1,"msg":"hi"}`, route.Send{From: 1, FromName: "alice", Everyone: true}, "hi", nil},
		{"p2p", "/p2pRoute", `{"userId":1,"receiveUserId":2,"msg":"hi"}`, route.Send{From: 1, FromName: "alice", To: 2, QoS: route.AtLeastOnce}, "hi", nil},
		{"a batch wins and stays together", "/p2pRoute", `{"userId":1,"receiveUserId":2,"msg":"x","batchMsg":["a","b"]}`, route.Send{From: 1, FromName: "alice", To: 2, QoS: route.AtLeastOnce}, "", []string{"a", "b"}},
		{"push", "/sendMsg", `{"msg":"hello","userId":2,"cmd":"OFFLINE","properties":{"sendUserId":"7","sendUserName":"srv"}}`, route.Send{From: 7, FromName: "srv", To: 2}, "hello", nil},
		{"push from an application", "/sendMsg", `{"batchMsg":["a"],"userId":2}`, route.Send{To: 2}, "", []string{"a"}},
	}
	f := newFixture(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.fresh(t, nil)
			f.do(http.MethodPost, tt.path, tt.body)
			frame := f.sentFrame()
			got := f.router.sends[0]
			got.Body = nil
			if fmt.Sprint(got) != fmt.Sprint(tt.send) {
				t.Errorf("send %+v, want %+v", got, tt.send)
			}
			if frame.GetText() != tt.text || !slices.Equal(frame.GetBatch(), tt.batch) {
				t.Errorf("text %q, batch %q", frame.GetText(), frame.GetBatch())
			}
			if frame.GetFrom() != tt.send.From || frame.GetFromName() != tt.send.FromName || frame.GetQos() != cimpb.QoS(tt.send.QoS) {
				t.Errorf("frame %v", frame)
			}
			if frame.GetSentAtMs() != testTime.UnixMilli() || frame.GetTo().GetEveryone() != tt.send.Everyone {
				t.Errorf("frame %v", frame)
			}
		})
	}
}

func TestCIMDefectIsLogged(t *testing.T) {
	f := newFixture(t)
	refusing(2, errors.New("boom"))(f.router)
	f.do(http.MethodPost, "/p2pRoute", `{"userId":1,"receiveUserId":2,"msg":"hi"}`)
	if log := f.log.String(); !strings.Contains(log, "route=/p2pRoute") || !strings.Contains(log, "err=boom") {
		t.Errorf("log: %s", log)
	}
}

// What was decoded must not alias the request's buffers: fasthttp reuses them for the next one.
func TestMessagesOutliveTheirRequest(t *testing.T) {
	f := newFixture(t)
	f.do(http.MethodPost, "/registerAccount", `{"userName":"keeper"}`)
	f.do(http.MethodPost, "/p2pRoute", `{"userId":4,"receiveUserId":2,"msg":"first message"}`)
	for range 5 {
		f.do(http.MethodPost, "/sendMsg", `{"userId":1,"msg":"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"}`)
	}
	f.router.sends = f.router.sends[:1]
	if frame := f.sentFrame(); frame.GetText() != "first message" || frame.GetFromName() != "keeper" {
		t.Errorf("the message became %v", frame)
	}
	if f.router.accounts[3].Name != "keeper" {
		t.Errorf("the name became %q", f.router.accounts[3].Name)
	}
}
