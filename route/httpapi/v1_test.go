package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	cimpb "cim/proto"
	"cim/route"
)

func v1Is(code, message string) string {
	return `{"error":{"code":"` + code + `","message":"` + message + `"}}`
}

func v1Bad(message string) string { return v1Is("bad_request", message) }

var (
	v1NoUser  = v1Is("unknown_user", cimpb.CodeUnknownUser.Sentence())
	v1NoStore = v1Is("store_unavailable", cimpb.CodeStoreUnavailable.Sentence())
)

type v1Case struct {
	name, method, path, body string
	prepare                  func(*fakeRouter)
	status                   int
	want                     string
}

func runV1(t *testing.T, tests []v1Case) {
	t.Helper()
	f := newFixture(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.fresh(t, tt.prepare)
			f.expect(tt.method, tt.path, tt.body, tt.status, tt.want)
		})
	}
}

func TestV1Accounts(t *testing.T) {
	const path = "/v1/accounts"
	badName := "The name does not do: " + route.ErrInvalidName.Error() + "."
	many := `{"accounts":[` + strings.TrimSuffix(strings.Repeat(`{"name":"x"},`, 1001), ",") + `]}`
	runV1(t, []v1Case{
		{"make", http.MethodPost, path, `{"name":"carol"}`, nil, 201, `{"user_id":4,"name":"carol","kind":"user"}`},
		{"make a device", http.MethodPost, path, `{"name":"d","kind":"device"}`, nil, 201, `{"user_id":4,"name":"d","kind":"device"}`},
		{"existing", http.MethodPost, path, `{"name":"sensor","kind":"user"}`, nil, 200, `{"user_id":3,"name":"sensor","kind":"device"}`},
		{"nothing", http.MethodPost, path, `{}`, nil, 400, v1Bad(`\"name\" is missing.`)},
		{"bad kind", http.MethodPost, path, `{"name":"x","kind":"cat"}`, nil, 400, v1Bad(`\"kind\" has to be \"user\" or \"device\".`)},
		{"bad name", http.MethodPost, path, `{"name":"bad;name"}`, nil, 400, v1Bad(badName)},
		{"no store", http.MethodPost, path, `{"name":"x"}`, down, 503, v1NoStore},
		{"disk full", http.MethodPost, path, `{"name":"x"}`, failing(route.ErrDiskFull), 507, v1Is("disk_full", cimpb.CodeDiskFull.Sentence())},

		{"bulk", http.MethodPost, path, `{"accounts":[{"name":"bob"},{"name":"sensor","kind":"device"}]}`, nil, 200, `{"accounts":[{"user_id":2,"name":"bob","kind":"user"},{"user_id":3,"name":"sensor","kind":"device"}]}`},
		{"bulk of none", http.MethodPost, path, `{"accounts":[]}`, nil, 400, v1Bad(`\"accounts\" has to hold 1 to 1000 accounts.`)},
		{"bulk of too many", http.MethodPost, path, many, nil, 400, v1Bad(`\"accounts\" has to hold 1 to 1000 accounts.`)},
		{"bulk and one", http.MethodPost, path, `{"name":"x","accounts":[{"name":"y"}]}`, nil, 400, v1Bad(`Give \"accounts\", or one account with \"name\" and \"kind\"; not both.`)},
		{"bulk with a bad one", http.MethodPost, path, `{"accounts":[{"name":"bob"},{"name":"bad;name"}]}`, nil, 400, v1Bad("accounts[1]: " + badName)},
		{"bulk without a store", http.MethodPost, path, `{"accounts":[{"name":"bob"}]}`, down, 503, v1NoStore},
		{"bulk that panics", http.MethodPost, path, `{"accounts":[{"name":"bob"}]}`, func(f *fakeRouter) { f.panics = true }, 500, v1Is("internal", cimpb.CodeInternal.Sentence())},

		{"by id", http.MethodGet, path + "/2", "", nil, 200, `{"user_id":2,"name":"bob","kind":"user"}`},
		{"by unknown id", http.MethodGet, path + "/99", "", nil, 404, v1NoUser},
		{"by a word", http.MethodGet, path + "/bob", "", nil, 400, v1Bad("The path has to hold a user's id, which is a number.")},
		{"by zero", http.MethodGet, path + "/0", "", nil, 400, v1Bad(`\"id\" has to be between 1 and 9007199254740991.`)},
		{"by name", http.MethodGet, path + "?name=bob", "", nil, 200, `{"user_id":2,"name":"bob","kind":"user"}`},
		{"by escaped name", http.MethodGet, path + "?name=b%6fb", "", nil, 200, `{"user_id":2,"name":"bob","kind":"user"}`},
		{"by unknown name", http.MethodGet, path + "?name=eve", "", nil, 404, v1NoUser},
		{"by broken name", http.MethodGet, path + "?name=%ff", "", nil, 400, v1Bad(`\"name\" is not UTF-8.`)},
		{"by broken prefix", http.MethodGet, path + "?prefix=%ff", "", nil, 400, v1Bad(`\"prefix\" is not UTF-8.`)},
		{"by prefix", http.MethodGet, path + "?prefix=s", "", nil, 200, `{"accounts":[{"user_id":3,"name":"sensor","kind":"device"}]}`},
		{"by prefix with limit", http.MethodGet, path + "?prefix=&limit=1&name=bob", "", nil, 400, v1Bad("Say which accounts: ?name= for one, or ?prefix= for several.")},
		{"by prefix of nobody", http.MethodGet, path + "?prefix=zz", "", nil, 200, `{"accounts":[]}`},
		{"by prefix, no store", http.MethodGet, path + "?prefix=a", "", down, 503, v1NoStore},
		{"by nothing", http.MethodGet, path, "", nil, 400, v1Bad("Say which accounts: ?name= for one, or ?prefix= for several.")},
		{"by an empty prefix", http.MethodGet, path + "?prefix=", "", nil, 400, v1Bad("Say which accounts: ?name= for one, or ?prefix= for several.")},
		{"limit too large", http.MethodGet, path + "?prefix=a&limit=1001", "", nil, 400, v1Bad(`\"limit\" has to be between 1 and 1000.`)},
		{"limit zero", http.MethodGet, path + "?prefix=a&limit=0", "", nil, 400, v1Bad(`\"limit\" has to be between 1 and 1000.`)},
		{"limit a word", http.MethodGet, path + "?prefix=a&limit=x", "", nil, 400, v1Bad(`\"limit\" has to be between 1 and 1000.`)},
	})
}

func TestV1BulkRegisterKeepsOrder(t *testing.T) {
	f := newFixture(t)
	var want, accounts []string
	for i := range 1000 {
		want = append(want, fmt.Sprintf(`"name":"n%d"`, i))
		accounts = append(accounts, fmt.Sprintf(`{"name":"n%d"}`, i))
	}
	got := f.do(http.MethodPost, "/v1/accounts", `{"accounts":[`+strings.Join(accounts, ",")+`]}`)
	rest := got.body
	for _, name := range want {
		var found bool
		if _, rest, found = strings.Cut(rest, name); !found {
			t.Fatalf("%s is missing or out of order", name)
		}
	}
	if got.status != http.StatusOK || len(f.router.accounts) != 1003 {
		t.Errorf("status %d, %d accounts", got.status, len(f.router.accounts))
	}
}

func TestV1Login(t *testing.T) {
	const path = "/v1/login"
	alice := `{"user_id":1,"name":"alice","server":{"host":"10.0.0.9","port":11211,"instance":"i1","tls":false},"ticket":""}`
	mismatch := v1Is("unknown_account", cimpb.CodeUnknownAccount.Sentence())
	runV1(t, []v1Case{
		{"by name", http.MethodPost, path, `{"name":"alice","device":"laptop"}`, nil, 200, alice},
		{"by id", http.MethodPost, path, `{"user_id":1}`, nil, 200, alice},
		{"by both", http.MethodPost, path, `{"user_id":1,"name":"alice"}`, nil, 200, alice},
		{"to TLS", http.MethodPost, path, `{"user_id":1}`, func(f *fakeRouter) { f.tls = true }, 200, strings.Replace(alice, "false", "true", 1)},
		{"by both, of two accounts", http.MethodPost, path, `{"user_id":2,"name":"alice"}`, nil, 404, mismatch},
		{"unknown name", http.MethodPost, path, `{"name":"eve"}`, nil, 404, v1NoUser},
		{"unknown id", http.MethodPost, path, `{"user_id":99}`, nil, 404, v1NoUser},
		{"nobody", http.MethodPost, path, `{}`, nil, 400, v1Bad(`Say who logs in: \"user_id\" or \"name\".`)},
		{"id zero", http.MethodPost, path, `{"user_id":0,"name":"alice"}`, nil, 400, v1Bad(`\"user_id\" has to be between 1 and 9007199254740991.`)},
		{"long device", http.MethodPost, path, `{"name":"alice","device":"` + strings.Repeat("d", 65) + `"}`, nil, 400, v1Bad(`\"device\" is over 64 bytes.`)},
		{"no server", http.MethodPost, path, `{"name":"alice"}`, func(f *fakeRouter) { f.noServer = true }, 503, v1Is("no_server", cimpb.CodeNoServer.Sentence())},
		{"no store", http.MethodPost, path, `{"name":"alice"}`, down, 503, v1NoStore},
	})
}

func TestV1Online(t *testing.T) {
	const path = "/v1/online"
	runV1(t, []v1Case{
		{"first page", http.MethodGet, path, "", nil, 200, `{"users":[{"user_id":1,"name":"alice"}],"next":"1"}`},
		{"last page", http.MethodGet, path + "?after=1&limit=5", "", nil, 200, `{"users":[{"user_id":2,"name":"bob"}],"next":""}`},
		{"nobody", http.MethodGet, path, "", func(f *fakeRouter) { f.online = nil }, 200, `{"users":[],"next":""}`},
		{"a cursor of nobody's", http.MethodGet, path + "?after=x", "", nil, 400, v1Bad(`\"after\" has to be the \"next\" of an earlier page.`)},
		{"a long cursor", http.MethodGet, path + "?after=" + strings.Repeat("1", 257), "", nil, 400, v1Bad(`\"after\" has to be the \"next\" of an earlier page.`)},
		{"a broken cursor", http.MethodGet, path + "?after=%ff", "", nil, 400, v1Bad(`\"after\" is not UTF-8.`)},
		{"a bad limit", http.MethodGet, path + "?limit=-1", "", nil, 400, v1Bad(`\"limit\" has to be between 1 and 1000.`)},
		{"no store", http.MethodGet, path, "", down, 503, v1NoStore},
		{"count", http.MethodGet, path + "/count", "", nil, 200, `{"count":2}`},
		{"count without a store", http.MethodGet, path + "/count", "", down, 503, v1NoStore},
	})
}

func TestV1Messages(t *testing.T) {
	const path = "/v1/messages"
	stored := func(user int) string {
		return fmt.Sprintf(`{"user_id":%d,"result":"stored","seq":1,"log_epoch":7}`, user)
	}
	results := func(r ...string) string { return `{"results":[` + strings.Join(r, ",") + `]}` }
	tooLarge := v1Is("too_large", "A message carries up to 61440 bytes; send it in smaller parts.")
	fits := strings.Repeat("x", MaxContentBytes)
	tooMany := strings.TrimSuffix(strings.Repeat("1,", 1001), ",")
	idRange := func(field string) string {
		return v1Bad(`\"` + field + `\" has to be between 1 and 9007199254740991.`)
	}
	runV1(t, []v1Case{
		{"text", http.MethodPost, path, `{"from":1,"to":2,"text":"hi"}`, nil, 200, results(stored(2))},
		{"to someone offline", http.MethodPost, path, `{"to":3,"text":"hi"}`, nil, 200, results(stored(3))},
		{"to all kinds of users", http.MethodPost, path, `{"users":[2,99,3],"text":"hi"}`, refusing(3, route.ErrInboxFull), 200, results(stored(2), `{"user_id":99,"result":"unknown_user"}`, `{"user_id":3,"result":"inbox_full"}`)},
		{"unstored", http.MethodPost, path, `{"users":[2,3],"text":"hi","qos":0}`, nil, 200, results(`{"user_id":2,"result":"written"}`, `{"user_id":3,"result":"offline"}`)},
		{"unstored, slow", http.MethodPost, path, `{"to":2,"text":"hi","qos":0}`, refusing(2, route.ErrSlow), 200, results(`{"user_id":2,"result":"slow"}`)},
		{"a defect for one", http.MethodPost, path, `{"users":[1,2],"text":"hi"}`, refusing(2, errors.New("boom")), 200, results(stored(1), `{"user_id":2,"result":"internal"}`)},
		{"no store for anyone", http.MethodPost, path, `{"to":2,"text":"hi"}`, down, 200, results(`{"user_id":2,"result":"store_unavailable"}`)},
		{"payload", http.MethodPost, path, `{"to":2,"payload":"AAEC"}`, nil, 200, results(stored(2))},
		{"everyone", http.MethodPost, path, `{"everyone":true,"text":"hi"}`, nil, 200, `{"reached":2}`},
		{"everyone from one of them", http.MethodPost, path, `{"from":1,"everyone":true,"text":"hi","qos":0}`, nil, 200, `{"reached":1}`},
		{"everyone while down", http.MethodPost, path, `{"everyone":true,"text":"hi"}`, down, 503, v1NoStore},
		{"just fits", http.MethodPost, path, `{"to":2,"text":"` + fits + `"}`, nil, 200, results(stored(2))},

		{"from a stranger", http.MethodPost, path, `{"from":99,"to":2,"text":"hi"}`, nil, 404, v1Is("unknown_user", `\"from\": `+cimpb.CodeUnknownUser.Sentence())},
		{"from zero", http.MethodPost, path, `{"from":0,"to":2,"text":"hi"}`, nil, 400, idRange("from")},
		{"to zero", http.MethodPost, path, `{"to":0,"text":"hi"}`, nil, 400, idRange("to")},
		{"to beyond JavaScript", http.MethodPost, path, `{"to":9007199254740992,"text":"hi"}`, nil, 400, idRange("to")},
		{"one of users below zero", http.MethodPost, path, `{"users":[2,-1],"text":"hi"}`, nil, 400, idRange("users")},
		{"no receiver", http.MethodPost, path, `{"text":"hi"}`, nil, 400, v1Bad(`Give one of \"to\", \"users\" and \"everyone\".`)},
		{"two receivers", http.MethodPost, path, `{"to":2,"everyone":true,"text":"hi","qos":0}`, nil, 400, v1Bad(`Give one of \"to\", \"users\" and \"everyone\".`)},
		{"no users", http.MethodPost, path, `{"users":[],"text":"hi"}`, nil, 400, v1Bad(`\"users\" has to hold 1 to 1000 ids.`)},
		{"too many users", http.MethodPost, path, `{"users":[` + tooMany + `],"text":"hi"}`, nil, 400, v1Bad(`\"users\" has to hold 1 to 1000 ids.`)},
		{"no content", http.MethodPost, path, `{"to":2}`, nil, 400, v1Bad(`Give one of \"text\", \"batch\" and \"payload\".`)},
		{"two contents", http.MethodPost, path, `{"to":2,"text":"hi","payload":"AA=="}`, nil, 400, v1Bad(`Give one of \"text\", \"batch\" and \"payload\".`)},
		{"empty text", http.MethodPost, path, `{"to":2,"text":""}`, nil, 400, v1Bad("The message is empty.")},
		{"empty payload", http.MethodPost, path, `{"to":2,"payload":""}`, nil, 400, v1Bad("The message is empty.")},
		{"empty batch", http.MethodPost, path, `{"to":2,"batch":[]}`, nil, 400, v1Bad("The message is empty.")},
		{"batch of nothing", http.MethodPost, path, `{"to":2,"batch":[""]}`, nil, 400, v1Bad("A text of the batch is empty.")},
		{"batch of too many", http.MethodPost, path, `{"to":2,"batch":[` + strings.ReplaceAll(tooMany, "1", `"a"`) + `]}`, nil, 400, v1Bad("A batch holds up to 1000 texts.")},
		{"text over the limit", http.MethodPost, path, `{"to":2,"text":"` + fits + `x"}`, nil, 413, tooLarge},
		{"batch over the limit", http.MethodPost, path, `{"to":2,"batch":["` + fits + `"]}`, nil, 413, tooLarge},
		{"qos 2", http.MethodPost, path, `{"to":2,"text":"hi","qos":2}`, nil, 400, v1Bad(`\"qos\" has to be 0 or 1.`)},
		{"everyone stored", http.MethodPost, path, `{"everyone":true,"text":"hi","qos":1}`, nil, 400, v1Bad(`A message to everyone has \"qos\" 0: it reaches who is connected now.`)},
		{"client id zero", http.MethodPost, path, `{"to":2,"text":"hi","client_msg_id":0}`, nil, 400, idRange("client_msg_id")},
		{"bad base64", http.MethodPost, path, `{"to":2,"payload":"%"}`, nil, 400, v1Bad("The body is not the JSON it should be: illegal base64 data at input byte 0.")},
		{"a number for base64", http.MethodPost, path, `{"to":2,"payload":5}`, nil, 400, v1Bad(`\"payload\" has to be base64 in a text.`)},
	})
}

func TestV1StrictJSON(t *testing.T) {
	const path = "/v1/messages"
	runV1(t, []v1Case{
		{"unknown field", http.MethodPost, path, `{"to":2,"txt":"hi"}`, nil, 400, v1Bad(`There is no field \"txt\".`)},
		{"unknown field of a part", http.MethodPost, "/v1/accounts", `{"accounts":[{"nme":"x"}]}`, nil, 400, v1Bad(`There is no field \"nme\".`)},
		{"a text for a number", http.MethodPost, path, `{"to":"2","text":"hi"}`, nil, 400, v1Bad(`\"to\" has to be a whole number in range.`)},
		{"a fraction", http.MethodPost, path, `{"to":2.5,"text":"hi"}`, nil, 400, v1Bad(`\"to\" has to be a whole number in range.`)},
		{"a text for a list", http.MethodPost, path, `{"users":"2","text":"hi"}`, nil, 400, v1Bad(`\"users\" has to be a list.`)},
		{"a text for a bool", http.MethodPost, path, `{"everyone":"yes","text":"hi"}`, nil, 400, v1Bad(`\"everyone\" has to be true or false.`)},
		{"a number for a text", http.MethodPost, "/v1/accounts", `{"name":5}`, nil, 400, v1Bad(`\"name\" has to be a text.`)},
		{"no body", http.MethodPost, path, ``, nil, 400, v1Bad("The body is empty; it has to be a JSON object.")},
		{"half a body", http.MethodPost, path, `{"to":2,`, nil, 400, v1Bad("The body is not the JSON it should be: unexpected EOF.")},
		{"two bodies", http.MethodPost, path, `{"to":2,"text":"hi"}{}`, nil, 400, v1Bad("There is something after the JSON object.")},
		{"not UTF-8", http.MethodPost, path, "{\"to\":2,\"text\":\"\xff\"}", nil, 400, v1Bad("The body is not UTF-8.")},
	})
}

func TestV1MessageReachesRouting(t *testing.T) {
	f := newFixture(t)
	f.do(http.MethodPost, "/v1/messages", `{"from":1,"to":2,"batch":["a","b"],"client_msg_id":9}`)
	frame := f.sentFrame()
	got := f.router.sends[0]
	if got.From != 1 || got.FromName != "alice" || got.To != 2 || got.QoS != route.AtLeastOnce || got.ClientMsgID != 9 {
		t.Errorf("send %+v", got)
	}
	if !slices.Equal(frame.GetBatch(), []string{"a", "b"}) || frame.GetFrom() != 1 || frame.GetFromName() != "alice" || frame.GetSentAtMs() != testTime.UnixMilli() {
		t.Errorf("frame %v", frame)
	}
}

func TestV1RepeatedMessageIsADuplicate(t *testing.T) {
	f := newFixture(t)
	const body = `{"to":2,"text":"hi","client_msg_id":9}`
	f.expect(http.MethodPost, "/v1/messages", body, 200, `{"results":[{"user_id":2,"result":"stored","seq":1,"log_epoch":7}]}`)
	f.expect(http.MethodPost, "/v1/messages", body, 200, `{"results":[{"user_id":2,"result":"stored","seq":1,"log_epoch":7,"duplicate":true}]}`)
}

func TestV1RetryAfter(t *testing.T) {
	f := newFixture(t)
	for err, want := range map[error]string{
		route.ErrNoServer: "2", route.ErrStoreUnavailable: "1", route.ErrOverloaded: "1", context.DeadlineExceeded: "1",
		route.ErrUnknownUser: "", route.ErrDiskFull: "",
	} {
		f.fresh(t, failing(err))
		if got := f.do(http.MethodGet, "/v1/online/count", "").header.Get("Retry-After"); got != want {
			t.Errorf("%v: Retry-After %q, want %q", err, got, want)
		}
	}
}

func TestV1DefectIsLoggedAndHidden(t *testing.T) {
	f := newFixture(t)
	f.router.err = errors.New("secret detail")
	got := f.expect(http.MethodGet, "/v1/online/count", "", 500, v1Is("internal", cimpb.CodeInternal.Sentence()))
	if strings.Contains(got.body, "secret") || !strings.Contains(f.log.String(), "secret detail") {
		t.Errorf("answer %s, log %s", got.body, f.log)
	}
}

func TestOutcomesHaveHonestWords(t *testing.T) {
	tests := []struct {
		name string
		out  route.Outcome
		want cimpb.Code
	}{
		{"stored", route.Outcome{Stored: true}, cimpb.CodeStored},
		{"stored and written", route.Outcome{Stored: true, Reached: 1, Online: true}, cimpb.CodeStored},
		{"written", route.Outcome{Reached: 1, Online: true}, cimpb.CodeWritten},
		{"online and not written", route.Outcome{Online: true}, cimpb.CodeSlow},
		{"nowhere", route.Outcome{}, cimpb.CodeOffline},
		{"failed", route.Outcome{Err: route.ErrDiskFull}, cimpb.CodeDiskFull},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := codeOf(tt.out); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
