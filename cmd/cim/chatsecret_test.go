package main

import (
	"strings"
	"testing"

	"cim/client"
	cimpb "cim/proto"
)

// Whoever is not let in is told what to do, and where.
func TestChatRefusedCredentials(t *testing.T) {
	for code, want := range map[cimpb.Code]string{
		cimpb.CodeNameTaken:      `the name "alice" belongs to somebody: choose another with --name; if it is yours, bring its secret to /s/f`,
		cimpb.CodeBadCredentials: `the secret of "alice" in /s/f does not count`,
		cimpb.CodeUnauthorized:   `whoever runs the route has to make the account "alice" (cim account import)`,
		cimpb.CodeNotAllowed:     `bring its secret to /s/f`,
		cimpb.CodeServerFull:     cimpb.CodeServerFull.Sentence(),
	} {
		c := chatCmd{Name: "alice"}
		err := c.connectError(t.Context(), &client.StatusError{Code: code, Text: code.Sentence()}, "/s/f")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v, want %q", code, err, want)
		}
	}
}

// The secret of another data folder behind the same address was put aside when the name was registered again.
func TestChatPointsToTheEarlierSecret(t *testing.T) {
	path := writeFile(t, "alice.secret"+client.PreviousSecret, "s")
	path = strings.TrimSuffix(path, client.PreviousSecret)
	err := (&chatCmd{Name: "alice"}).connectError(t.Context(), &client.StatusError{Code: cimpb.CodeBadCredentials}, path)
	if err == nil || !strings.Contains(err.Error(), "(there is an earlier one in "+path+".previous)") {
		t.Errorf("%v", err)
	}
}
