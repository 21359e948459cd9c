package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	cimpb "cim/proto"
)

// cimClient is a client of CIM by hand: HTTP for what it says, a bare socket for what it hears.
type cimClient struct {
	cimHTTP
	n    *node
	id   int64
	name string
	*wire
}

func newCIMClient(t *testing.T, n *node, name string) *cimClient {
	t.Helper()
	h := cimHTTP{t, "http://" + n.httpAddr.String()}
	return &cimClient{cimHTTP: h, n: n, id: h.register(name), name: name}
}

func (c *cimClient) login(code string) cimAnswer {
	c.cimHTTP.t.Helper()
	return c.post("/login", fmt.Sprintf(`{"userId":%d,"userName":%q}`, c.id, c.name), code)
}

// connect is CIM's way in: /login, then LOGIN on the server that it names, and a PING to know that it was
// taken: LOGIN is not answered.
func (c *cimClient) connect() {
	c.cimHTTP.t.Helper()
	c.connectTo(c.place())
}

// place is CIM's login: it returns where the client is to connect.
func (c *cimClient) place() (addr string) {
	c.cimHTTP.t.Helper()
	var at struct {
		IP            string
		CimServerPort int
		HTTPPort      int
	}
	if err := json.Unmarshal(c.login("9000").DataBody, &at); err != nil {
		c.cimHTTP.t.Fatal(err)
	}
	return net.JoinHostPort(at.IP, strconv.Itoa(at.CimServerPort))
}

func (c *cimClient) connectTo(addr string) {
	c.cimHTTP.t.Helper()
	c.wire = dialWire(c.cimHTTP.t, addr)
	c.writeFrame(&cimpb.Frame{Text: c.name, UserId: c.id})
}

// ping waits for the PONG and returns what came before it.
func (c *cimClient) ping() (before []*cimpb.Frame) {
	c.cimHTTP.t.Helper()
	c.writeFrame(&cimpb.Frame{Text: "ping", UserId: c.id, Cmd: cimpb.Command_PING})
	for {
		f := c.frame()
		if f.GetCmd() == cimpb.Command_PING {
			return before
		}
		before = append(before, f)
	}
}

// texts are what a client of CIM shows, checked for what its SDK insists on.
func (c *cimClient) texts(frames []*cimpb.Frame) (all []string) {
	c.cimHTTP.t.Helper()
	for _, f := range frames {
		if got := f.GetProperties()["receiveUserId"]; got != strconv.FormatInt(c.id, 10) {
			c.cimHTTP.t.Errorf("properties.receiveUserId is %q; the SDK throws without it", got)
		}
		if len(f.GetBatch()) > 0 {
			all = append(all, f.GetBatch()...)
			continue
		}
		all = append(all, f.GetText())
	}
	return all
}

// hear waits for one frame and returns what it shows.
func (c *cimClient) hear() (texts []string, sender string) {
	c.cimHTTP.t.Helper()
	f := c.frame()
	return c.texts([]*cimpb.Frame{f}), f.GetProperties()["sendUserName"]
}

func (c *cimClient) expect(want ...string) {
	c.cimHTTP.t.Helper()
	var got []string
	for len(got) < len(want) {
		texts, _ := c.hear()
		got = append(got, texts...)
	}
	if !slices.Equal(got, want) {
		c.cimHTTP.t.Fatalf("%s heard %q, want %q", c.name, got, want)
	}
}

func (c *cimClient) offLine() {
	c.cimHTTP.t.Helper()
	c.post("/offLine", fmt.Sprintf(`{"userId":%d,"msg":"bye"}`, c.id), "9000")
}

func (c *cimClient) group(text string) {
	c.cimHTTP.t.Helper()
	c.post("/groupRoute", fmt.Sprintf(`{"userId":%d,"msg":%q}`, c.id, text), "9000")
}

func (c *cimClient) p2p(to int64, text, code string) {
	c.cimHTTP.t.Helper()
	c.post("/p2pRoute", fmt.Sprintf(`{"userId":%d,"receiveUserId":%d,"msg":%q}`, c.id, to, text), code)
}

func TestCIMGoldenHeartbeat(t *testing.T) {
	n := newTestNode(t)
	c := newCIMClient(t, n, "test")
	c.connect()
	ping, err := hex.DecodeString(strings.ReplaceAll("0f 0a 04 70 69 6e 67 10 ff b6 f0 90 83 2d 18 02", " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	c.write(ping) // with another client's id: identity is LOGIN's alone
	if got, want := hex.EncodeToString(c.payload()), "0a04706f6e671802"; got != want {
		t.Fatalf("PONG is %s, want %s", got, want)
	}
}

func TestCIMConversation(t *testing.T) {
	n := newTestNode(t)
	a, b, c := newCIMClient(t, n, "a"), newCIMClient(t, n, "b"), newCIMClient(t, n, "c")
	for _, x := range []*cimClient{a, b, c} {
		x.connect()
		x.ping()
	}
	online := a.call("GET", "/onlineUser", "")
	for _, name := range []string{"a", "b", "c"} {
		if !strings.Contains(string(online.DataBody), `"userName":"`+name+`"`) {
			t.Errorf("%s is missing in %s", name, online.DataBody)
		}
	}
	a.p2p(b.id, "only you", "9000")
	texts, sender := b.hear()
	if texts[0] != "only you" || sender != "a" {
		t.Errorf("b heard %q of %q", texts, sender)
	}
	a.post("/p2pRoute", fmt.Sprintf(`{"userId":%d,"receiveUserId":%d,"batchMsg":["1","2","3"]}`, a.id, b.id), "9000")
	f := b.frame()
	if f.GetCmd() != cimpb.Command_MESSAGE || !slices.Equal(f.GetBatch(), []string{"1", "2", "3"}) {
		t.Errorf("a batch came as %v; only one frame keeps its order in CIM's SDK", f)
	}
	a.post("/groupRoute", fmt.Sprintf(`{"userId":%d,"msg":"all"}`, a.id), "9000")
	b.expect("all")
	c.expect("all")
	if before := a.ping(); len(before) != 0 {
		t.Errorf("the sender heard its own message: %v", before)
	}
	if before := c.ping(); len(before) != 0 {
		t.Errorf("c heard what was for b: %v", before)
	}
}

func TestCIMRepeatedLogin(t *testing.T) {
	n := newTestNode(t)
	c := newCIMClient(t, n, "zs")
	c.login("9000") // reserved: online, and in the way of a second login
	c.login("5000")
	c.post("/offLine", fmt.Sprintf(`{"userId":%d,"msg":"bye"}`, c.id), "9000")
	c.connect()
	c.ping()
	c.login("5000")
	c.post("/offLine", fmt.Sprintf(`{"userId":%d,"msg":"bye"}`, c.id), "9000")
	c.ended()
	c.login("9000")
	c.post("/login", `{"userId":1,"userName":"zs"}`, "9100")
	c.post("/login", fmt.Sprintf(`{"userId":%d,"userName":"ls"}`, c.id), "9100")
	c.post("/offLine", `{"userId":1,"msg":"nobody"}`, "9000")
}

func TestCIMOffline(t *testing.T) {
	n := newTestNode(t)
	a, b, c := newCIMClient(t, n, "a"), newCIMClient(t, n, "b"), newCIMClient(t, n, "c")
	c.connect()
	a.p2p(b.id, "1", "7000")
	a.post("/p2pRoute", fmt.Sprintf(`{"userId":%d,"receiveUserId":%d,"batchMsg":["2","3"]}`, a.id, b.id), "7000")
	c.p2p(b.id, "4", "7000")
	b.connect()
	first, second := b.frame(), b.frame()
	if first.GetCmd() != cimpb.Command_OFFLINE || first.GetProperties()["sendUserName"] != "a" ||
		!slices.Equal(first.GetBatch(), []string{"1", "2", "3"}) {
		t.Errorf("first came %v", first)
	}
	if second.GetProperties()["sendUserName"] != "c" || !slices.Equal(second.GetBatch(), []string{"4"}) {
		t.Errorf("then came %v; one sender's name must not cover another's messages", second)
	}
	b.post("/fetchOfflineMsgs", fmt.Sprintf(`{"receiveUserId":%d}`, b.id), "9000")
	if before := b.ping(); len(before) != 0 {
		t.Errorf("what this session had been sent came again: %v", before)
	}
	a.p2p(b.id, "5", "9000")
	b.expect("5")
}

// A client of CIM does not acknowledge, so the server does: what was on the wire before a PING is not sent
// in the next session, and what was not is.
func TestCIMAcknowledgedByPing(t *testing.T) {
	n := newTestNode(t)
	a, b := newCIMClient(t, n, "a"), newCIMClient(t, n, "b")
	a.p2p(b.id, "seen", "7000")
	b.connect()
	b.expect("seen")
	b.ping()
	logout := func() { b.post("/offLine", fmt.Sprintf(`{"userId":%d}`, b.id), "9000"); b.ended() }
	logout()
	a.p2p(b.id, "not pinged", "7000")
	b.connect()
	b.expect("not pinged")
	logout()
	b.connect()
	b.expect("not pinged")
	b.ping()
	logout()
	b.connect()
	if before := b.ping(); len(before) != 0 {
		t.Errorf("acknowledged messages came again: %v", before)
	}
}

// What is sent between CIM's /login and its LOGIN waits for the LOGIN.
func TestCIMReservedUserMissesNothing(t *testing.T) {
	n := newTestNode(t)
	a, b := newCIMClient(t, n, "a"), newCIMClient(t, n, "b")
	b.login("9000")
	a.p2p(b.id, "private", "9000")
	a.post("/groupRoute", fmt.Sprintf(`{"userId":%d,"msg":"all"}`, a.id), "9000")
	b.wire = dialWire(t, n.server.Addr().String())
	b.writeFrame(&cimpb.Frame{Text: b.name, UserId: b.id})
	var got []string
	for len(got) < 2 {
		texts, _ := b.hear()
		got = append(got, texts...)
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"all", "private"}) {
		t.Errorf("heard %q", got)
	}
}

func TestCIMSendMsg(t *testing.T) {
	n := newTestNode(t)
	a, b := newCIMClient(t, n, "a"), newCIMClient(t, n, "b")
	push := func(code string) {
		t.Helper()
		a.post("/sendMsg", fmt.Sprintf(`{"msg":"hello","userId":%d,"cmd":"MESSAGE","properties":{"sendUserId":"%d","sendUserName":"a","receiveUserId":"%d"}}`,
			b.id, a.id, b.id), code)
	}
	push("7000") // CIM says 9000 for a user who is not there
	b.connect()
	b.ping()
	push("9000")
	b.expect("hello")
}

// A name is not a key: CIM's group send dies of an account with the name of one of its keys.
func TestCIMHostileNames(t *testing.T) {
	n := newTestNode(t)
	for _, name := range []string{"login-status", "cim-route:5"} {
		c := newCIMClient(t, n, name)
		c.connect()
		c.ping()
	}
	a, b := newCIMClient(t, n, "a"), newCIMClient(t, n, "b")
	b.connect()
	b.ping()
	a.post("/groupRoute", fmt.Sprintf(`{"userId":%d,"msg":"still here"}`, a.id), "9000")
	b.expect("still here")
}
