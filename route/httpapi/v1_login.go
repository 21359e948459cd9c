package httpapi

import (
	"errors"
	"time"

	cimpb "cim/proto"
	"cim/route"
	"cim/route/auth"
)

// maxDeviceBytes is the wire's (Hello.device).
const maxDeviceBytes = 64

type v1LoginRequest struct {
	UserID *int64 `json:"user_id"`
	Name   string `json:"name"`
	Secret string `json:"secret"`
	Device string `json:"device"` // for the ticket
}

type v1LoginAnswer struct {
	UserID int64    `json:"user_id"`
	Name   string   `json:"name"`
	Server v1Server `json:"server"`
	Ticket string   `json:"ticket"` // empty: servers do not ask for one
	// NotBeforeMs is how long to wait before connecting: a time that no clock has to agree on.
	NotBeforeMs     int64  `json:"not_before_ms,omitempty"`
	AccessToken     string `json:"access_token,omitempty"`
	AccessExpiresIn int    `json:"access_expires_in,omitempty"` // seconds
}

type v1Server struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Instance string `json:"instance"`
	TLS      bool   `json:"tls"`
}

var errNoSecret = &failure{
	code:    cimpb.CodeUnauthorized,
	message: `A login needs the account's "secret", or an access token of an earlier login as Authorization: Bearer.`,
}

// v1Login names the server to connect to. It claims nothing: the LOGIN there does.
func (a *API) v1Login(c *call, in *v1LoginRequest) (reply, error) {
	if err := in.check(a.cfg.AuthCIM); err != nil {
		return reply{}, err
	}
	who, err := a.whoLogsIn(c, in)
	if err != nil {
		return reply{}, err
	}
	if !a.cfg.AuthCIM {
		// Each login takes a place at a server, whether its ticket is used or not.
		if f := a.limits.logins.take(who.ID, 1, a.cfg.Now()); f != nil {
			return reply{}, f
		}
	}
	s, admission, err := a.cfg.Router.Place(c.ctx, who.ID)
	if err != nil {
		return reply{}, err
	}
	out := v1LoginAnswer{
		UserID: who.ID, Name: who.Name,
		Server:      v1Server{Host: s.Host, Port: s.Port, Instance: s.Instance, TLS: s.TLS},
		NotBeforeMs: a.waitUntil(admission.NotBefore),
	}
	if a.cfg.AuthCIM {
		return ok(out), nil
	}
	pass, err := a.cfg.Auth.Admit(who, in.Device, s.Instance, admission.NotBefore)
	out.Ticket, out.AccessToken, out.AccessExpiresIn = pass.Ticket, pass.Access, int(pass.AccessTime.Seconds())
	return ok(out), err
}

// waitUntil is how many milliseconds it is until then, rounded up; 0 for the past.
func (a *API) waitUntil(t time.Time) int64 {
	return max(0, (t.Sub(a.cfg.Now()) + time.Millisecond - 1).Milliseconds())
}

func (in *v1LoginRequest) check(authCIM bool) error {
	if len(in.Device) > maxDeviceBytes {
		return badRequest(`"device" is over %d bytes.`, maxDeviceBytes)
	}
	if in.Device == "" && !authCIM {
		return badRequest(`"device" is missing: a name for this device among those of the user.`)
	}
	if in.UserID == nil {
		return nil
	}
	return checkID("user_id", *in.UserID)
}

// whoLogsIn is the account that the caller has proved to be; with AuthCIM, the one they say they are.
func (a *API) whoLogsIn(c *call, in *v1LoginRequest) (route.Credentials, error) {
	if a.cfg.AuthCIM {
		acc, err := a.loginAccount(c, in)
		return route.Credentials{Account: acc}, err
	}
	if in.Secret == "" {
		return a.byAccessToken(c, in)
	}
	if in.UserID == nil && in.Name == "" {
		return route.Credentials{}, errNobody()
	}
	who, err := a.cfg.Router.Authenticate(c.ctx, in.id(), in.Name, in.Secret)
	if !errors.Is(err, route.ErrBadCredentials) {
		return who, err
	}
	// Only a wrong secret costs: whoever guesses must not shut out the others behind the same address.
	if f := a.limits.badLogins.take(a.source(c.http), 1, a.cfg.Now()); f != nil {
		return who, f
	}
	return who, err
}

// byAccessToken goes on with an earlier login.
func (a *API) byAccessToken(c *call, in *v1LoginRequest) (route.Credentials, error) {
	if f := c.identify(); f != nil {
		return route.Credentials{}, f
	}
	who := c.caller.Account
	switch {
	case c.caller.Kind == auth.Anonymous:
		return who, errNoSecret
	case c.caller.Kind == auth.Application:
		return who, &failure{code: cimpb.CodeNotAllowed, message: "An application has no sessions; log in with the secret of a user."}
	case in.UserID != nil && *in.UserID != who.ID, in.Name != "" && in.Name != who.Name:
		return who, route.ErrBadCredentials
	}
	return who, nil
}

// id is 0 when it is not there.
func (in *v1LoginRequest) id() int64 {
	if in.UserID == nil {
		return 0
	}
	return *in.UserID
}

func errNobody() error { return badRequest(`Say who logs in: "user_id" or "name".`) }

// loginAccount finds who logs in, by id or name. When both are there they have to be the same account's.
func (a *API) loginAccount(c *call, in *v1LoginRequest) (route.Account, error) {
	switch {
	case in.Name == "" && in.UserID == nil:
		return route.Account{}, errNobody()
	case in.Name == "":
		return a.cfg.Router.Account(c.ctx, *in.UserID)
	}
	acc, err := a.cfg.Router.AccountByName(c.ctx, in.Name)
	if err == nil && in.UserID != nil && *in.UserID != acc.ID {
		return route.Account{}, route.ErrNameMismatch
	}
	return acc, err
}
