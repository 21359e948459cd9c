package httpapi

import (
	"context"
	"errors"

	"cim/route"
)

type cimRegisterRequest struct {
	UserName string `json:"userName"`
}

// cimUser is registerAccount's dataBody and one line of onlineUser's.
type cimUser struct {
	UserID   int64  `json:"userId"`
	UserName string `json:"userName"`
}

// cimRegister is idempotent by name: the same name gets the id that it has.
func (a *API) cimRegister(ctx context.Context, in *cimRegisterRequest) (any, error) {
	if in.UserName == "" {
		return nil, badRequest("userName is missing")
	}
	acc, _, err := a.cfg.Router.Register(ctx, in.UserName, route.User, route.SecretHash{})
	if err != nil {
		return nil, err
	}
	return cimUser{UserID: acc.ID, UserName: acc.Name}, nil
}

type cimLoginRequest struct {
	UserID   looseID `json:"userId"`
	UserName string  `json:"userName"`
}

// cimServer is where the client connects.
type cimServer struct {
	IP            string `json:"ip"`
	CIMServerPort int    `json:"cimServerPort"`
	HTTPPort      int    `json:"httpPort"`
}

// cimLogin claims the session for the server that it names, so that a second login is refused here: CIM's
// SDK cannot be told anything on the server's port.
func (a *API) cimLogin(ctx context.Context, in *cimLoginRequest) (any, error) {
	user, err := in.UserID.get("userId")
	if err != nil {
		return nil, err
	}
	if in.UserName == "" {
		return nil, badRequest("userName is missing")
	}
	s, err := a.cfg.Router.Reserve(ctx, user, in.UserName)
	if err != nil {
		return nil, err
	}
	return cimServer{IP: s.Host, CIMServerPort: s.Port, HTTPPort: s.HTTPPort}, nil
}

type cimUserRequest struct {
	UserID looseID `json:"userId"`
}

// cimOffLine succeeds for users it does not know: the SDK calls it before each reconnect.
func (a *API) cimOffLine(ctx context.Context, in *cimUserRequest) (any, error) {
	user, err := in.UserID.get("userId")
	if err != nil {
		return nil, err
	}
	if err := a.cfg.Router.Logout(ctx, user); err != nil && !errors.Is(err, route.ErrUnknownUser) {
		return nil, err
	}
	return nil, nil
}

// cimOnlineUser lists everybody. A body, which old clients send, says nothing and is not read.
func (a *API) cimOnlineUser(c *call) {
	data, err := a.everyoneOnline(c.ctx)
	c.answerCIM(data, err, cimFallback)
}

// everyoneOnline is nil when there is nobody: CIM's dataBody is null then.
func (a *API) everyoneOnline(ctx context.Context) (any, error) {
	var users []cimUser
	for cursor := ""; ; {
		page, next, err := a.cfg.Router.Online(ctx, cursor, a.cfg.Limits.Items)
		if err != nil {
			return nil, err
		}
		for _, acc := range page {
			users = append(users, cimUser{UserID: acc.ID, UserName: acc.Name})
		}
		if next == "" {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		cursor = next
	}
	if len(users) == 0 {
		return nil, nil
	}
	return users, nil
}
