package httpapi

import (
	"context"
	"errors"
	"strconv"

	"cim/route"
)

type cimGroupRequest struct {
	UserID looseID `json:"userId"`
	Msg    string  `json:"msg"`
}

// cimGroup sends to everybody online but the sender. Nobody there is a success, as it is in CIM.
func (a *API) cimGroup(ctx context.Context, in *cimGroupRequest) (any, error) {
	m, err := cimContent(in.Msg, nil, a.cfg.Limits.Items)
	if err != nil {
		return nil, err
	}
	m.Everyone = true
	if err := a.cimSender(ctx, in.UserID, &m); err != nil {
		return nil, err
	}
	out, err := a.deliverOne(ctx, m, route.Send{Everyone: true})
	if err != nil {
		return nil, err
	}
	return nil, out.Err
}

type cimP2PRequest struct {
	UserID        looseID  `json:"userId"`
	ReceiveUserID looseID  `json:"receiveUserId"`
	Msg           string   `json:"msg"`
	BatchMsg      []string `json:"batchMsg"`
}

// errCIMNobody answers a message to an account that does not exist with the one code that makes the SDK
// tell its caller of a failure: 9100, which says it better, would pass there for a success.
var errCIMNobody = &cimRefusal{code: cimOffline, message: "No such user: nothing was stored."}

// cimP2P stores the message, so that it survives whatever happens to the receiver. 7000 says that it waits
// for them.
func (a *API) cimP2P(ctx context.Context, in *cimP2PRequest) (any, error) {
	receiver, err := in.ReceiveUserID.get("receiveUserId")
	if err != nil {
		return nil, err
	}
	m, err := cimContent(in.Msg, in.BatchMsg, a.cfg.Limits.Items)
	if err != nil {
		return nil, err
	}
	m.QoS = route.AtLeastOnce
	if err := a.cimSender(ctx, in.UserID, &m); err != nil {
		return nil, err
	}
	out, err := a.deliverOne(ctx, m, route.Send{To: receiver})
	switch {
	case err != nil:
		return nil, err
	case errors.Is(out.Err, route.ErrUnknownUser):
		return nil, errCIMNobody
	case out.Err != nil:
		return nil, out.Err
	case !out.Online:
		return nil, route.ErrOffline
	}
	return nil, nil
}

// cimSender puts the account of the sender on the message: a name that a request claims is not believed.
func (a *API) cimSender(ctx context.Context, id looseID, m *route.Message) error {
	user, err := id.get("userId")
	if err != nil {
		return err
	}
	acc, err := a.cfg.Router.Account(ctx, user)
	if err != nil {
		return err
	}
	m.From, m.FromName = acc.ID, acc.Name
	return nil
}

type cimFetchRequest struct {
	ReceiveUserID looseID `json:"receiveUserId"`
}

// cimFetchOffline has the messages sent on the receiver's connection; the answer carries none. For a user
// without a connection there is nothing to do: the messages stay, and LOGIN brings them.
func (a *API) cimFetchOffline(ctx context.Context, in *cimFetchRequest) (any, error) {
	user, err := in.ReceiveUserID.get("receiveUserId")
	if err != nil {
		return nil, err
	}
	if err := a.cfg.Router.FetchOffline(ctx, user); !errors.Is(err, route.ErrOffline) {
		return nil, err
	}
	return nil, nil
}

type cimSendMsgRequest struct {
	UserID     looseID           `json:"userId"` // the receiver
	Msg        string            `json:"msg"`
	BatchMsg   []string          `json:"batchMsg"`
	Properties map[string]string `json:"properties"`
}

type cimSendMsgAnswer struct {
	Msg string `json:"msg"`
}

// cimSendMsg is the endpoint of CIM's server, which its route calls and back ends push with. It promises
// the connection only, so a receiver without one is refused: nothing would be kept for them.
func (a *API) cimSendMsg(ctx context.Context, in *cimSendMsgRequest) (any, error) {
	receiver, err := in.UserID.get("userId")
	if err != nil {
		return nil, err
	}
	m, err := cimContent(in.Msg, in.BatchMsg, a.cfg.Limits.Items)
	if err != nil {
		return nil, err
	}
	if err := in.sender(&m); err != nil {
		return nil, err
	}
	out, err := a.deliverOne(ctx, m, route.Send{To: receiver})
	switch {
	case err != nil:
		return nil, err
	case errors.Is(out.Err, route.ErrUnknownUser):
		return nil, route.ErrOffline
	case out.Err != nil:
		return nil, out.Err
	case out.Reached == 0:
		return nil, route.ErrOffline
	}
	return cimSendMsgAnswer{Msg: "OK"}, nil
}

// sender takes who sends from the properties, as CIM does; without sendUserId it is an application.
func (in *cimSendMsgRequest) sender(m *route.Message) error {
	if text := in.Properties["sendUserId"]; text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return badRequest("properties.sendUserId is not an id")
		}
		if m.From, err = looseID(n).get("properties.sendUserId"); err != nil {
			return err
		}
	}
	m.FromName = in.Properties["sendUserName"]
	if len(m.FromName) > route.MaxNameBytes {
		return badRequest("properties.sendUserName is over %d bytes", route.MaxNameBytes)
	}
	return nil
}
