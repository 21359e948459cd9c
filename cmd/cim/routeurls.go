package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"cim/client/routes"
)

// routeURLs are the base URLs of the routes of one cluster, with commas between them.
type routeURLs string

// Decode implements kong.MapperValue: a YAML file may have a list.
func (r *routeURLs) Decode(ctx *kong.DecodeContext) error {
	t := ctx.Scan.Pop()
	switch v := t.Value.(type) {
	case string:
		*r = routeURLs(v)
		return nil
	case []any:
		all := make([]string, len(v))
		for i, one := range v {
			all[i] = fmt.Sprint(one)
		}
		*r = routeURLs(strings.Join(all, ","))
		return nil
	}
	return fmt.Errorf("expected URLs, got %v", t)
}

// check is part of the command's Validate. All else is for what has passed it.
func (r routeURLs) check() error {
	if _, err := routes.Parse(string(r)); err != nil {
		return fmt.Errorf("--route %w", err)
	}
	return nil
}

func (r routeURLs) list() *routes.List { return routes.MustParse(string(r)) }

// String names the routes for a person.
func (r routeURLs) String() string {
	all := strings.Split(string(r), ",")
	for i, one := range all {
		all[i] = strings.TrimSpace(one)
	}
	return strings.Join(all, ", ")
}

func (r routeURLs) several() bool { return strings.Contains(string(r), ",") }

// subject begins a sentence about all that were asked.
func (r routeURLs) subject() string {
	if r.several() {
		return "the routes " + r.String()
	}
	return "the route " + r.String()
}

// hostOf is the host of a route with its port.
func hostOf(route string) string {
	u, err := url.Parse(route)
	if err != nil {
		return route
	}
	return u.Host
}

// place is where something is kept that belongs to a cluster: of gives the path for one route. It is found under any of
// the routes, in their order, and begins under the first: lists of the same routes in another order find the same.
func (r routeURLs) place(of func(route string) string) string {
	all := r.list().URLs()
	for _, route := range all {
		if _, err := os.Lstat(of(route)); err == nil {
			return of(route)
		}
	}
	return of(all[0])
}
