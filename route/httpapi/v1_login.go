package httpapi

import (
	"context"

	"cim/route"
)

// maxDeviceBytes is the wire's (Hello.device).
const maxDeviceBytes = 64

type v1LoginRequest struct {
	UserID *int64 `json:"user_id"`
	Name   string `json:"name"`
	Device string `json:"device"` // for the ticket; nothing else depends on it here
}

type v1LoginAnswer struct {
	UserID int64    `json:"user_id"`
	Name   string   `json:"name"`
	Server v1Server `json:"server"`
	Ticket string   `json:"ticket"` // empty: servers do not ask for one
}

type v1Server struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Instance string `json:"instance"`
}

// v1Login names the server to connect to. It claims nothing: the LOGIN there does.
func (a *API) v1Login(ctx context.Context, in *v1LoginRequest) (reply, error) {
	if len(in.Device) > maxDeviceBytes {
		return reply{}, badRequest(`"device" is over %d bytes.`, maxDeviceBytes)
	}
	acc, err := a.loginAccount(ctx, in)
	if err != nil {
		return reply{}, err
	}
	s, err := a.cfg.Router.Place(ctx, acc.ID)
	if err != nil {
		return reply{}, err
	}
	return ok(v1LoginAnswer{
		UserID: acc.ID, Name: acc.Name,
		Server: v1Server{Host: s.Host, Port: s.Port, Instance: s.Instance},
	}), nil
}

// loginAccount finds who logs in, by id or name. When both are there they have to be the same account's.
func (a *API) loginAccount(ctx context.Context, in *v1LoginRequest) (route.Account, error) {
	if in.UserID != nil {
		if err := checkID("user_id", *in.UserID); err != nil {
			return route.Account{}, err
		}
	}
	switch {
	case in.Name == "" && in.UserID == nil:
		return route.Account{}, badRequest(`Say who logs in: "user_id" or "name".`)
	case in.Name == "":
		return a.cfg.Router.Account(ctx, *in.UserID)
	}
	acc, err := a.cfg.Router.AccountByName(ctx, in.Name)
	if err == nil && in.UserID != nil && *in.UserID != acc.ID {
		return route.Account{}, route.ErrNameMismatch
	}
	return acc, err
}
