package httpapi

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	cimpb "cim/proto"
)

var (
	errHost = &failure{
		code:    cimpb.CodeNotAllowed,
		counter: reasonHost,
		message: "This service is not known by the name in the Host header; use its address, or start it with that name (cim up --advertise NAME).",
	}
	errStarting    = &failure{code: cimpb.CodeOverloaded, message: "This process has just started and waits for what it needs; try again in a moment, or ask another one. /readyz names it."}
	errNoPath      = &failure{code: cimpb.CodeUnsupported, message: "There is nothing at this path; /openapi.yaml lists what there is."}
	errMethod      = &failure{code: cimpb.CodeUnsupported, status: http.StatusMethodNotAllowed, message: "This path does not take this method; see the Allow header."}
	errContentType = &failure{code: cimpb.CodeBadRequest, status: http.StatusUnsupportedMediaType, counter: reasonContentType, message: "Send the body as application/json."}
)

// checkBody demands JSON, which a page of another origin cannot send without asking first (and no one
// answers its question: fetch.spec.whatwg.org, "CORS-safelisted request-header").
func (c *call) checkBody(e *endpoint) *failure {
	kind, _, _ := bytes.Cut(c.http.Request.Header.ContentType(), []byte{';'})
	if e.bare && len(kind)+len(c.http.PostBody()) == 0 {
		return nil
	}
	if !bytes.EqualFold(bytes.TrimSpace(kind), []byte("application/json")) {
		return errContentType
	}
	if len(c.http.PostBody()) > c.api.cfg.Limits.Body {
		return c.bodyTooLarge()
	}
	return nil
}

func (c *call) bodyTooLarge() *failure {
	return &failure{code: cimpb.CodeTooLarge, counter: reasonBody, message: fmt.Sprintf("The body is over %d bytes; send less at a time.", c.api.cfg.Limits.Body)}
}

// hostSet holds the names that a request may be for.
type hostSet map[string]bool

func newHostSet(names []string) hostSet {
	s := hostSet{"localhost": true, "": true} // HTTP/1.0 health checks name no host; browsers always do
	for _, n := range names {
		s[bareHost(n)] = true
	}
	return s
}

// allow takes any IP address: an attacker's page can rebind a name to this machine, not an address.
func (s hostSet) allow(header []byte) bool {
	host := bareHost(string(header))
	if s[host] || s["*"] {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// bareHost is the name in a Host header without port, brackets and the dot of the root.
func bareHost(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	return strings.ToLower(strings.TrimSuffix(s, "."))
}
