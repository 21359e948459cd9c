package httpapi

type v1OnlineUser struct {
	UserID int64  `json:"user_id"`
	Name   string `json:"name"`
}

type v1OnlinePage struct {
	Users []v1OnlineUser `json:"users"`
	Next  string         `json:"next"` // for ?after=; empty at the end
}

type v1Count struct {
	Count int `json:"count"`
}

// v1Online lists who is connected, a page at a time.
func (a *API) v1Online(c *call) (reply, error) {
	after, _, err := c.query("after")
	if err != nil {
		return reply{}, err
	}
	if len(after) > maxCursorBytes {
		return reply{}, badRequest(`"after" has to be the "next" of an earlier page.`)
	}
	limit, err := c.limit()
	if err != nil {
		return reply{}, err
	}
	page, next, err := a.cfg.Router.Online(c.ctx, after, limit)
	if err != nil {
		return reply{}, err
	}
	users := make([]v1OnlineUser, len(page))
	for i, acc := range page {
		users[i] = v1OnlineUser{UserID: acc.ID, Name: acc.Name}
	}
	return ok(v1OnlinePage{Users: users, Next: next}), nil
}

// v1OnlineCount counts without listing.
func (a *API) v1OnlineCount(c *call) (reply, error) {
	n, err := a.cfg.Router.OnlineCount(c.ctx)
	return ok(v1Count{Count: n}), err
}
