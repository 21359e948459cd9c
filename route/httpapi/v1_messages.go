package httpapi

import (
	cimpb "cim/proto"
	"cim/route"
	"cim/route/auth"
)

type v1SendRequest struct {
	From        *int64   `json:"from"` // nil: the caller
	To          *int64   `json:"to"`
	Users       []int64  `json:"users"`
	Everyone    bool     `json:"everyone"`
	Text        *string  `json:"text"`
	Batch       []string `json:"batch"`
	Payload     []byte   `json:"payload"`
	QoS         *int     `json:"qos"`
	ClientMsgID *uint64  `json:"client_msg_id"`
}

type v1SendAnswer struct {
	Results []v1Result `json:"results"`
}

// v1Result says what became of the message for one receiver.
type v1Result struct {
	UserID    int64  `json:"user_id"`
	Result    string `json:"result"` // name of a code
	Seq       uint64 `json:"seq,omitempty"`
	LogEpoch  uint64 `json:"log_epoch,omitempty"`
	Duplicate bool   `json:"duplicate,omitempty"`
}

type v1Reached struct {
	Reached int `json:"reached"`
}

// v1Send delivers one message. A receiver who cannot have it is a result, not a failure of the others.
func (a *API) v1Send(c *call, in *v1SendRequest) (reply, error) {
	m, err := in.message(a.cfg.Limits.Items)
	if err != nil {
		return reply{}, err
	}
	sends, err := in.sends(a.cfg.Limits.Items)
	if err != nil {
		return reply{}, err
	}
	if err := a.v1Sender(c, in.From, &m); err != nil {
		return reply{}, err
	}
	if c.caller.Kind == auth.User {
		if f := a.limits.send(m.From, len(sends), in.Everyone, a.cfg.Now()); f != nil {
			return reply{}, f
		}
	}
	out, err := a.deliver(c.ctx, m, sends)
	if err != nil {
		return reply{}, err
	}
	if in.Everyone {
		return ok(v1Reached{Reached: out[0].Reached}), out[0].Err
	}
	return ok(v1SendAnswer{Results: a.results(sends, out)}), nil
}

// v1Sender fills in who sends: a user sends as itself, an application as itself or any user.
func (a *API) v1Sender(c *call, from *int64, m *route.Message) error {
	if from != nil {
		if err := checkID("from", *from); err != nil {
			return err
		}
		if err := c.asUser(*from); err != nil {
			return err
		}
	}
	if c.caller.Kind == auth.User {
		m.From, m.FromName = c.caller.Account.ID, c.caller.Account.Name
		return nil
	}
	if from == nil {
		return nil
	}
	acc, err := a.cfg.Router.Account(c.ctx, *from)
	if err != nil {
		return about(`"from"`, err)
	}
	m.From, m.FromName = acc.ID, acc.Name
	return nil
}

// message is the content with its promise.
func (in *v1SendRequest) message(items int) (route.Message, error) {
	given := 0
	for _, there := range []bool{in.Text != nil, in.Batch != nil, in.Payload != nil} {
		if there {
			given++
		}
	}
	if given != 1 {
		return route.Message{}, badRequest(`Give one of "text", "batch" and "payload".`)
	}
	m := route.Message{Batch: in.Batch, Payload: in.Payload, Everyone: in.Everyone}
	if in.Text != nil {
		m.Text = *in.Text
	}
	var err error
	if m.QoS, err = in.qos(); err != nil {
		return route.Message{}, err
	}
	return m, checkContent(m, items)
}

func (in *v1SendRequest) qos() (route.QoS, error) {
	switch {
	case in.QoS == nil && in.Everyone:
		return route.AtMostOnce, nil
	case in.QoS == nil:
		return route.AtLeastOnce, nil
	case *in.QoS != 0 && *in.QoS != 1:
		return 0, badRequest(`"qos" has to be 0 or 1.`)
	case *in.QoS == 1 && in.Everyone:
		return 0, badRequest(`A message to everyone has "qos" 0: it reaches who is connected now.`)
	}
	return route.QoS(*in.QoS), nil
}

// sends has one Send for each receiver, in the order of the request.
func (in *v1SendRequest) sends(items int) ([]route.Send, error) {
	given := 0
	for _, there := range []bool{in.To != nil, in.Users != nil, in.Everyone} {
		if there {
			given++
		}
	}
	if given != 1 {
		return nil, badRequest(`Give one of "to", "users" and "everyone".`)
	}
	var id uint64
	if in.ClientMsgID != nil {
		if id = *in.ClientMsgID; id < 1 || id > route.MaxID {
			return nil, badRequest(`"client_msg_id" has to be between 1 and %d.`, int64(route.MaxID))
		}
	}
	if in.Everyone {
		return []route.Send{{Everyone: true, ClientMsgID: id}}, nil
	}
	return in.sendsTo(in.receivers(), id, items)
}

func (in *v1SendRequest) receivers() []int64 {
	if in.To != nil {
		return []int64{*in.To}
	}
	return in.Users
}

func (in *v1SendRequest) sendsTo(users []int64, clientMsgID uint64, items int) ([]route.Send, error) {
	if len(users) == 0 || len(users) > items {
		return nil, tooManyItems(`"users" has to hold 1 to %d ids.`, items)
	}
	field := "users"
	if in.To != nil {
		field = "to"
	}
	sends := make([]route.Send, len(users))
	for i, user := range users {
		if err := checkID(field, user); err != nil {
			return nil, err
		}
		sends[i] = route.Send{To: user, ClientMsgID: clientMsgID}
	}
	return sends, nil
}

func (a *API) results(sends []route.Send, out []route.Outcome) []v1Result {
	results := make([]v1Result, len(out))
	for i, o := range out {
		r := v1Result{UserID: sends[i].To, Result: codeOf(o).String()}
		if o.Stored {
			r.Seq, r.LogEpoch, r.Duplicate = o.Seq, o.LogEpoch, o.Duplicate
		}
		if o.Err != nil && codeOf(o) == cimpb.CodeInternal {
			a.log.Error("a message failed", "to", sends[i].To, "err", o.Err)
		}
		results[i] = r
	}
	return results
}

// codeOf is the honest word for an outcome.
func codeOf(o route.Outcome) cimpb.Code {
	switch {
	case o.Stored:
		return cimpb.CodeStored
	case o.Err != nil:
		return failureOf(o.Err).code
	case o.Reached > 0:
		return cimpb.CodeWritten
	case o.Online:
		return cimpb.CodeSlow
	}
	return cimpb.CodeOffline
}
