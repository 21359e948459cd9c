package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// TLSFault is what kept two sides from speaking TLS with each other.
type TLSFault uint8

// The faults.
const (
	TLSOther             TLSFault = iota // Cause says what
	TLSUntrusted                         // nobody who is trusted here has signed the certificate
	TLSWrongName                         // the certificate is for other names
	TLSOutOfDate                         // the certificate has expired, or is not valid yet
	TLSNotSpoken                         // the other side does not speak TLS
	TLSClientCertificate                 // the other side wants a client certificate, or another one
)

// TLSError says why TLS with a route or a server did not come about.
type TLSError struct {
	Peer  string // host:port, or the URL of a route
	Fault TLSFault
	Cause error
}

func (e *TLSError) Error() string { return e.What() + e.advice() }

// Unwrap returns what crypto/tls says.
func (e *TLSError) Unwrap() error { return e.Cause }

// What is the text without the advice, which is for those who write programs.
func (e *TLSError) What() string {
	switch e.Fault {
	case TLSUntrusted:
		return fmt.Sprintf("the certificate of %s is signed by nobody who is trusted here", e.Peer)
	case TLSWrongName:
		return fmt.Sprintf("the certificate of %s is for another name (%s)", e.Peer, bare(e.Cause))
	case TLSOutOfDate:
		return fmt.Sprintf("the certificate of %s has expired or is not valid yet (%s)", e.Peer, bare(e.Cause))
	case TLSNotSpoken:
		return e.Peer + " does not speak TLS"
	case TLSClientCertificate:
		return fmt.Sprintf("%s wants a client certificate that it trusts (%s)", e.Peer, bare(e.Cause))
	}
	return fmt.Sprintf("no TLS with %s (%s)", e.Peer, bare(e.Cause))
}

func (e *TLSError) advice() string {
	switch e.Fault {
	case TLSUntrusted:
		return ": set Options.TLS.RootCAs to its authority"
	case TLSWrongName:
		return ": use that name, or set Options.TLS.ServerName"
	case TLSOutOfDate:
		return ": have it renewed, or set the clock"
	case TLSNotSpoken:
		return ": leave Options.TLS out, or write http:// for the route"
	case TLSClientCertificate:
		return ": set Options.TLS.Certificates"
	}
	return ""
}

// bare is an error's text without the names of packages.
func bare(err error) string {
	text := err.Error()
	for _, word := range []string{"remote error: ", "tls: failed to verify certificate: ", "tls: ", "x509: "} {
		text = strings.TrimPrefix(text, word)
	}
	return text
}

// ExplainTLS makes a *TLSError of an error that TLS ended with, and returns every other error as it is. peer is
// how the other side was called.
func ExplainTLS(peer string, err error) error {
	if _, done := errors.AsType[*TLSError](err); done || err == nil {
		return err
	}
	if fault, ok := faultOf(err); ok {
		return &TLSError{Peer: peer, Fault: fault, Cause: err}
	}
	return err
}

func faultOf(err error) (TLSFault, bool) {
	if fault, ok := certificateFault(err); ok {
		return fault, true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return TLSNotSpoken, true
	}
	// crypto/tls has no exported type for what the other side says; the operation's name tells it apart.
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		if strings.Contains(e.Err.Error(), "certificate") {
			return TLSClientCertificate, true
		}
		return TLSOther, true
	}
	return TLSOther, strings.HasPrefix(err.Error(), "tls: ")
}

// certificateFault is what is wrong with the other side's certificate.
func certificateFault(err error) (TLSFault, bool) {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return TLSUntrusted, true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return TLSWrongName, true
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return TLSOutOfDate, true
	}
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return TLSOther, ok
}

// cut reports whether the other side ended the connection without a word.
func cut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}
