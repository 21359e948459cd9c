package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"cim/client"
	"cim/client/routes"
)

// unreachedError says that no route gave an answer, and what to do. It is a client.ErrUnreachable.
type unreachedError struct{ cause *routes.Error }

func (e *unreachedError) Error() string {
	all := e.cause.Failures
	if at := slices.IndexFunc(all, func(f routes.Failure) bool { return speaksNoHTTP(f.Err) }); at >= 0 {
		return fmt.Sprintf("something answers at %s that is no route, or a route that has just ended: check --route (%v)", all[at].Route, e.cause)
	}
	switch {
	case len(all) != 1:
		return fmt.Sprintf("cannot reach any of the routes: check that they run and that their URLs are right (%v)", e.cause)
	case isLoopback(all[0].Route):
		return fmt.Sprintf("cannot reach %s: start one with `cim up`, or say where it is with --route (%v)", all[0].Route, e.cause)
	}
	return fmt.Sprintf("cannot reach %s: check that the route runs and that the URL is right (%v)", all[0].Route, e.cause)
}
func (e *unreachedError) Unwrap() []error { return []error{client.ErrUnreachable, e.cause} }

// speaksNoHTTP reports whether somebody took the request and answered with something else, or hung up. net/http has no
// exported error for the first.
func speaksNoHTTP(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		strings.Contains(err.Error(), "malformed HTTP")
}

func isLoopback(route string) bool {
	u, err := url.Parse(route)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
