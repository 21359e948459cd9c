package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"cim/client"
	"cim/client/routes"
)

// clientTLSFlags are what a command that connects says of TLS. Whether it is spoken follows from the route's URL, and
// from what the route says of the servers.
type clientTLSFlags struct {
	TLSCA         string `name:"tls-ca" help:"Authorities to trust (PEM) in place of the system's; the route and the servers then have to speak TLS." placeholder:"FILE" type:"path"`
	TLSCert       string `name:"tls-cert" help:"Certificate to show (PEM), to routes and servers that ask for one (--tls-client-ca)." placeholder:"FILE" type:"path"`
	TLSKey        string `name:"tls-key" help:"Private key of --tls-cert (PEM)." placeholder:"FILE" type:"path"`
	TLSServerName string `name:"tls-server-name" help:"Name that has to be in the certificates, where it is not the host that is connected to." placeholder:"NAME"`
}

// check is part of the command's Validate.
func (f clientTLSFlags) check(route routeURLs) error {
	all, err := routes.Parse(string(route))
	plain := err == nil && all.Plain()
	switch {
	case f.TLSCert != "" && f.TLSKey == "":
		return errors.New("--tls-cert needs --tls-key FILE, the certificate's private key")
	case f.TLSCert == "" && f.TLSKey != "":
		return errors.New("--tls-key needs --tls-cert FILE, the key's certificate")
	case f.TLSCA != "" && plain:
		return fmt.Errorf("--tls-ca is for TLS, and --route %s is without: begin it with https://", route)
	case f.TLSServerName != "" && plain:
		return fmt.Errorf("--tls-server-name is for TLS, and --route %s is without: begin it with https://", route)
	}
	return nil
}

// config is nil when there is nothing to say: then the system's authorities count. A route without TLS is called
// without a certificate, whose flags may stand in the environment for a server on the same machine.
func (f clientTLSFlags) config(route routeURLs) (*tls.Config, error) {
	if f == (clientTLSFlags{}) || route.list().Plain() {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.TLSServerName}
	var err error
	if f.TLSCA != "" {
		if cfg.RootCAs, err = loadPool(f.TLSCA); err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
	}
	if f.TLSCert != "" {
		pair, err := loadPair(f.TLSCert, f.TLSKey)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// tlsFailure is a failure of TLS with what to do about it. It is a client.ErrUnreachable.
type tlsFailure struct {
	cause  *client.TLSError
	advice string
}

func (e *tlsFailure) Error() string   { return e.cause.What() + e.advice }
func (e *tlsFailure) Unwrap() []error { return []error{client.ErrUnreachable, e.cause} }

// explain says what to do about an error that means that no route gave an answer, or that TLS with a server did not come
// about. It returns nil for any other error.
func (f clientTLSFlags) explain(err error) error {
	if failure := f.explainTLS(err); failure != nil {
		return failure
	}
	if e, ok := errors.AsType[*routes.Error](err); ok {
		return &unreachedError{e}
	}
	return nil
}

// explainTLS is explain for what TLS has a part in: it names the flags that mend it.
func (f clientTLSFlags) explainTLS(err error) error {
	if e, ok := errors.AsType[*routes.Error](err); ok {
		e, some := f.advised(e)
		switch {
		case !some:
			return nil
		case len(e.Failures) == 1:
			return e.Failures[0].Err
		}
		return &unreachedError{e}
	}
	if e, ok := errors.AsType[*client.TLSError](err); ok {
		return &tlsFailure{e, f.advice(e)}
	}
	return nil
}

// advised is e with a *tlsFailure wherever TLS did not come about, and so nothing was executed. It also reports whether
// there is one.
func (f clientTLSFlags) advised(e *routes.Error) (all *routes.Error, some bool) {
	all = &routes.Error{Failures: slices.Clone(e.Failures)}
	for i := range all.Failures {
		one := &all.Failures[i]
		if e, ok := errors.AsType[*client.TLSError](client.ExplainTLS(one.Route, one.Err)); ok {
			one.Err, one.Sent, some = &tlsFailure{e, f.advice(e)}, false, true
		}
	}
	return all, some
}

// onlyTLS reports whether it is TLS that keeps each of the routes from being reached.
func onlyTLS(err error) bool {
	if e, ok := errors.AsType[*routes.Error](err); ok {
		return !slices.ContainsFunc(e.Failures, func(f routes.Failure) bool { return !onlyTLS(f.Err) })
	}
	_, ok := errors.AsType[*tlsFailure](err)
	return ok
}

func (f clientTLSFlags) advice(e *client.TLSError) string {
	switch e.Fault {
	case client.TLSUntrusted:
		if f.TLSCA != "" {
			return ": --tls-ca " + f.TLSCA + " is not its authority; give the file that is"
		}
		return ": give its authority's certificate with --tls-ca FILE"
	case client.TLSWrongName:
		return ": connect to a name that is in it, or say with --tls-server-name which one to expect"
	case client.TLSOutOfDate:
		return ": whoever runs it has to renew it; or this machine's clock is wrong"
	case client.TLSNotSpoken:
		if u, err := url.Parse(e.Peer); err == nil && u.Scheme == "https" {
			return ": begin --route with http://, if that is meant"
		}
		return ": start it with --tls-cert and --tls-key, or leave out --tls-ca and the other flags of TLS"
	case client.TLSClientCertificate:
		if f.TLSCert != "" {
			return ": give one with --tls-cert and --tls-key that an authority of its --tls-client-ca has signed"
		}
		return ": give one with --tls-cert FILE and --tls-key FILE"
	}
	return ""
}
