package client

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"strconv"
)

// AccountKind tells people from devices.
type AccountKind string

const (
	AccountUser   AccountKind = "user"   // a person
	AccountDevice AccountKind = "device" // a thing: messages to everyone do not reach it
)

// Account is who may connect.
type Account struct {
	ID   int64       `json:"user_id"`
	Name string      `json:"name"`
	Kind AccountKind `json:"kind,omitempty"` // empty where the route does not say, as in Online
}

// pageSize of lists; the route allows 1,000.
const pageSize = 500

// Me is the account of this client.
func (c *Client) Me() Account { return c.me }

// Online walks through everyone who is connected, page by page, this user included. Users who come or go
// meanwhile may be missed or shown. An error is the last thing that is yielded.
func (c *Client) Online(ctx context.Context) iter.Seq2[Account, error] {
	return func(yield func(Account, error) bool) {
		after := ""
		for {
			users, next, err := c.onlinePage(ctx, after)
			if err != nil {
				yield(Account{}, err)
				return
			}
			for _, u := range users {
				if !yield(u, nil) {
					return
				}
			}
			if next == "" || next == after {
				return
			}
			after = next
		}
	}
}

func (c *Client) onlinePage(ctx context.Context, after string) ([]Account, string, error) {
	var page struct {
		Users []Account `json:"users"`
		Next  string    `json:"next"`
	}
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	if after != "" {
		query.Set("after", after)
	}
	err := c.api.get(ctx, "/v1/online", query, &page)
	return page.Users, page.Next, wrapStep("list who is online", err)
}

// OnlineCount is how many users are connected.
func (c *Client) OnlineCount(ctx context.Context) (int, error) {
	var out struct {
		Count int `json:"count"`
	}
	err := c.api.get(ctx, "/v1/online/count", nil, &out)
	return out.Count, wrapStep("count who is online", err)
}

// Lookup finds the account of a name. Errors: StatusError with CodeUnknownUser.
func (c *Client) Lookup(ctx context.Context, name string) (Account, error) {
	return c.lookUp(ctx, "/v1/accounts", url.Values{"name": {name}})
}

// LookupID finds the account of an id. Errors: StatusError with CodeUnknownUser.
func (c *Client) LookupID(ctx context.Context, id int64) (Account, error) {
	return c.lookUp(ctx, "/v1/accounts/"+strconv.FormatInt(id, 10), nil)
}

func (c *Client) lookUp(ctx context.Context, path string, query url.Values) (Account, error) {
	var a Account
	err := c.api.get(ctx, path, query, &a)
	if err == nil && a.ID <= 0 {
		err = errNoID
	}
	return a, wrapStep("look up an account", err)
}

var errNoID = errors.New("the answer has no user id; check the URL of the route")

// Find lists up to limit accounts whose names begin with prefix.
func (c *Client) Find(ctx context.Context, prefix string, limit int) ([]Account, error) {
	var out struct {
		Accounts []Account `json:"accounts"`
	}
	query := url.Values{"prefix": {prefix}, "limit": {strconv.Itoa(limit)}}
	err := c.api.get(ctx, "/v1/accounts", query, &out)
	return out.Accounts, wrapStep("find accounts", err)
}
