package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cim/client"
	cimpb "cim/proto"
)

// Whoever is not let in is told what to do, and where.
func TestChatRefusedCredentials(t *testing.T) {
	for code, want := range map[cimpb.Code]string{
		cimpb.CodeNameTaken:      `the name "alice" belongs to somebody: choose another with --name; if it is yours, bring its secret to /s/f`,
		cimpb.CodeBadCredentials: `the secret of "alice" in /s/f does not count: bring the one that does, or have a new one made by whoever runs the route (cim account secret --key-file KEYFILE "alice" > "/s/f")`,
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

// Two systems in one list: the secret that one of them gave survives that the other does not know it.
func TestChatOverRoutesOfTwoSystems(t *testing.T) {
	n, _ := tokenNode(t)
	other, _ := tokenNode(t)
	h := newHome(t, n)
	h.registers(t, "gina")
	file := client.NewFileSecrets(filepath.Join(h.dir, "secrets")).Path(h.route, "gina")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	both := chatHome{newHome(t, other).route + "," + h.route, h.dir}
	refused := 0
	for range 20 { // each begins with a random route
		code, _, stderr := both.runChat(t, "", "gina")
		if code == exitOK {
			continue
		}
		refused++
		if !strings.Contains(stderr, file) || !strings.Contains(stderr, "may not be of one cluster") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("exit code %d, %q", code, stderr)
		}
	}
	after, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(before, after) || refused == 0 {
		t.Errorf("after %d refusals the secret is another: %t, %v", refused, !bytes.Equal(before, after), err)
	}
	h.registers(t, "gina")
}

// registers logs in, with a registration at the first time.
func (h chatHome) registers(t *testing.T, name string) {
	t.Helper()
	if code, _, stderr := h.runChat(t, "", name); code != exitOK {
		t.Fatalf("exit code %d, %q", code, stderr)
	}
}
