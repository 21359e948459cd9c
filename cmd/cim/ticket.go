package main

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"cim/netcore"
	cimpb "cim/proto"
	"cim/route"
	"cim/route/auth"
	"cim/route/token"
)

// ticketRefusals is what a client hears of a ticket that does not do, and what the operator's counter says. A
// thief is told no more than that the ticket is bad.
var ticketRefusals = []struct {
	err    error
	reason string
	code   cimpb.Code
}{
	{token.ErrExpired, "expired", cimpb.CodeTokenExpired},
	{token.ErrTooEarly, "too_early", cimpb.CodeBusy},
	{token.ErrWrongServer, "wrong_server", cimpb.CodeWrongServer},
	{token.ErrUsed, "used", cimpb.CodeBadToken},
	{token.ErrFull, "full", cimpb.CodeBusy},
	{token.ErrUnknownKey, "unknown_key", cimpb.CodeBadToken}, // forged, or signed by a key that is gone
	{token.ErrInvalid, "invalid", cimpb.CodeBadToken},
	{auth.ErrOtherUser, "other_user", cimpb.CodeBadToken},
	{auth.ErrOtherDevice, "other_device", cimpb.CodeBadToken},
	{route.ErrReplacedSecret, "replaced_secret", cimpb.CodeBadToken},
	{route.ErrDisabled, "account_disabled", cimpb.CodeAccountDisabled},
}

// ticketCode is 0 for an error that is not about a ticket or its account.
func ticketCode(err error) (code cimpb.Code, reason string) {
	for _, r := range ticketRefusals {
		if errors.Is(err, r.err) {
			return r.code, r.reason
		}
	}
	return 0, ""
}

// loginRefusals are the reasons that are counted: those of tickets, and the names of claimCode's codes.
func loginRefusals() []string {
	var reasons []string
	for _, r := range ticketRefusals {
		reasons = append(reasons, r.reason)
	}
	for _, code := range []cimpb.Code{cimpb.CodeUnknownAccount, cimpb.CodeDuplicateSession, cimpb.CodeStoreDown} {
		reasons = append(reasons, code.String())
	}
	return reasons
}

// newLoginsRefused counts logins that were refused, from the start at 0 for each reason.
func newLoginsRefused() *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cim_logins_refused_total",
		Help: "Logins that a server refused, by reason.",
	}, []string{"reason"})
	for _, reason := range loginRefusals() {
		v.WithLabelValues(reason)
	}
	return v
}

// enter checks a login's ticket, where tickets are asked for.
func (b *backend) enter(c netcore.Claim) (generation uint64, err error) {
	if b.gate == nil {
		return 0, nil
	}
	return b.gate.Enter(c.Token, c.User, c.Device)
}

// refuse is the answer to a login that is not granted.
func (b *backend) refuse(err error) netcore.ClaimResult {
	code, reason := ticketCode(err)
	if reason == "" {
		code = claimCode(err)
		reason = code.String()
	}
	b.refused.WithLabelValues(reason).Inc()
	retry := retryAfter(code)
	if early, ok := errors.AsType[*token.EarlyError](err); ok {
		retry = max(retry, uint32(early.Wait.Milliseconds()))
	}
	return netcore.ClaimResult{Code: code, RetryAfterMs: retry}
}
