package main

import (
	"errors"
	"testing"

	"cim/client"
	cimpb "cim/proto"
)

// Chat comes back by itself, and so does not tell anybody to.
func TestWhyCut(t *testing.T) {
	for code, want := range map[cimpb.Code]string{
		cimpb.CodeMoved:            "The server drains",
		cimpb.CodeServerFull:       "The server holds as many connections as it may",
		cimpb.CodeStoreUnavailable: "The store does not answer",
		cimpb.CodeNoServer:         "No server can take a connection now: none runs, none can be reached, or all are full",
		cimpb.CodeBadVersion:       "The server does not speak this protocol version; update the client",
	} {
		err := &client.StatusError{Code: code, Text: code.Sentence(), Comeback: code.Comeback()}
		if got := whyCut(err); got != want {
			t.Errorf("%v: %q, want %q", code, got, want)
		}
	}
	if got := whyCut(errors.New("cut; by somebody")); got != "cut; by somebody" {
		t.Errorf("%q", got)
	}
}
