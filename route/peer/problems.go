package peer

import (
	"context"
	"slices"
	"strings"

	"cim/route"
)

var _ route.Reporter = (*Client)(nil)

// Problems implements route.Reporter: the listed servers that do not believe this process, which has another secret than
// they have or another time. One that does not answer is no problem of this process.
func (c *Client) Problems(context.Context) []route.Problem {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []route.Problem
	for instance, t := range c.targets {
		doubts := t.doubts.Load()
		if _, listed := c.cfg.Servers.Server(instance); doubts != nil && listed {
			all = append(all, route.Problem{Component: "peers", Detail: instance + " at " + t.address + ": " + doubts.why})
		}
	}
	slices.SortFunc(all, func(a, b route.Problem) int { return strings.Compare(a.Detail, b.Detail) })
	return all
}
