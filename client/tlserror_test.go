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
	"testing"
	"time"
)

func TestExplainTLS(t *testing.T) {
	remote := func(text string) error { return &net.OpError{Op: "remote error", Err: errors.New(text)} }
	verification := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	leaf := &x509.Certificate{DNSNames: []string{"im.example.com"}, NotAfter: time.Unix(0, 0)}
	for name, tc := range map[string]struct {
		err    error
		fault  TLSFault
		says   string
		advice string
	}{
		"authority":       {verification(x509.UnknownAuthorityError{}), TLSUntrusted, "signed by nobody who is trusted here", "RootCAs"},
		"name":            {verification(x509.HostnameError{Certificate: leaf, Host: "h"}), TLSWrongName, "(certificate is valid for im.example.com, not h)", "ServerName"},
		"expired":         {verification(x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}), TLSOutOfDate, "has expired", "renewed"},
		"other":           {verification(x509.CertificateInvalidError{Cert: leaf, Reason: x509.TooManyIntermediates}), TLSOther, "no TLS with h:1 (too many", ""},
		"no TLS":          {tls.RecordHeaderError{Msg: "first record"}, TLSNotSpoken, "h:1 does not speak TLS", "leave Options.TLS out"},
		"HTTP":            {fmt.Errorf("get: %w", http.ErrSchemeMismatch), TLSNotSpoken, "h:1 does not speak TLS", "http://"},
		"none shown":      {remote("tls: certificate required"), TLSClientCertificate, "(certificate required)", "Certificates"},
		"not trusted":     {remote("tls: unknown certificate authority"), TLSClientCertificate, "(unknown certificate authority)", "Certificates"},
		"old version":     {remote("tls: protocol version not supported"), TLSOther, "(protocol version not supported)", ""},
		"crypto/tls says": {errors.New("tls: server selected unsupported protocol version 301"), TLSOther, "(server selected", ""},
	} {
		err := ExplainTLS("h:1", tc.err)
		e, ok := errors.AsType[*TLSError](err)
		if !ok || e.Fault != tc.fault || !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, fault %v", name, err, e)
			continue
		}
		if !strings.Contains(e.What(), tc.says) || strings.Contains(e.What(), "x509") || strings.Contains(e.What(), "tls:") {
			t.Errorf("%s: says %q", name, e.What())
		}
		if !strings.HasPrefix(e.Error(), e.What()) || !strings.Contains(e.Error(), tc.advice) {
			t.Errorf("%s: %q", name, e.Error())
		}
		if again, _ := errors.AsType[*TLSError](ExplainTLS("other", err)); again != e {
			t.Errorf("%s: explained twice", name)
		}
	}
}

func TestExplainTLSLeavesOtherErrorsAlone(t *testing.T) {
	for _, err := range []error{nil, io.EOF, &net.OpError{Op: "dial", Err: errors.New("no certificate")}, refusal(1)} {
		got := ExplainTLS("h:1", err)
		if _, explained := errors.AsType[*TLSError](got); explained || !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
}
