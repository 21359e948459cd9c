package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	cimpb "cim/proto"
)

// A full inbox refuses, over the wire and over HTTP, and says why; the receiver makes room by reading.
func TestInboxLimits(t *testing.T) {
	for name, limit := range map[string]func(*nodeConfig){
		"messages": func(c *nodeConfig) { c.inboxMessages = 2 },
		"bytes":    func(c *nodeConfig) { c.inboxBytes = 100 },
	} {
		t.Run(name, func(t *testing.T) {
			h := newTokenNode(t, limit)
			alice, bob := h.register("alice"), h.register("bob")
			w := alice.connect("phone")
			send := func(id uint64) *cimpb.Frame {
				w.writeFrame(&cimpb.Frame{
					Cmd: cimpb.Command_SEND, Text: strings.Repeat("x", 15), ClientMsgId: id, Qos: cimpb.QoS_AT_LEAST_ONCE,
					To: &cimpb.Target{Kind: &cimpb.Target_User{User: bob.id}},
				})
				return w.frame()
			}
			for id := uint64(1); id <= 2; id++ {
				wantCode(t, send(id), cimpb.Command_SENT, cimpb.CodeStored)
			}
			wantCode(t, send(3), cimpb.Command_SENT, cimpb.CodeInboxFull)
			var out struct{ Results []struct{ Result string } }
			body := fmt.Sprintf(`{"to":%d,"text":%q}`, bob.id, strings.Repeat("x", 40))
			if h.as(h.n.keys.application).call(http.MethodPost, "/v1/messages", body, &out); len(out.Results) != 1 || out.Results[0].Result != "inbox_full" {
				t.Errorf("over HTTP: %+v", out)
			}
			for _, counter := range []string{"cim_sends_refused_total", "cim_http_sends_refused_total"} {
				if got := h.counted(counter + `{reason="inbox_full"}`); got != "1" {
					t.Errorf("%s: %s", counter, got)
				}
			}
			reader := bob.connect("phone")
			reader.frame()
			second := reader.frame()
			reader.writeFrame(&cimpb.Frame{Cmd: cimpb.Command_ACK, LogEpoch: second.GetLogEpoch(), Seq: second.GetSeq()})
			wantAlive(t, reader)
			waitFor(t, "room in the inbox", func() bool { return send(4).GetStatus().GetCode() == uint32(cimpb.CodeStored) })
		})
	}
}

func TestInboxFlags(t *testing.T) {
	for _, flag := range []string{"--inbox-limit=0", "--inbox-bytes=-1"} {
		if code, _, stderr := runCIM(t, "up", "--data", ":memory:", flag); code != exitUsage || !strings.Contains(stderr, "at least 1") {
			t.Errorf("%s: exit code %d, %q", flag, code, stderr)
		}
		for command, needs := range map[string]string{"server": "--advertise=h", "route": "--http=127.0.0.1:0"} {
			code, _, stderr := runCIM(t, command, needs, "--zk", "h:1", "--redis", "redis://h", "--secret-file", "f", flag)
			if code != exitUsage || !strings.Contains(stderr, "at least 1") {
				t.Errorf("%s %s: exit code %d, %q", command, flag, code, stderr)
			}
		}
	}
}
