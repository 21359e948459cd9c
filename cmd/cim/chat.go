package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"
	"golang.org/x/text/unicode/norm"

	"cim/client"
	cimpb "cim/proto"
	"cim/route"
)

// leaveTime bounds the goodbye to the server. What is not acknowledged by then comes again.
const leaveTime = 2 * time.Second

// chatCmd is a conversation in a terminal, or by lines on stdin and stdout.
type chatCmd struct {
	Route  routeURLs `help:"Base URL of a route, or of several of one cluster with commas between them: when one gives no answer, the next is asked." default:"http://127.0.0.1:8083"`
	Name   string    `help:"Who you are; a new name is registered." required:""`
	Device string    `help:"Name of this installation; it takes over its own older session. Default: one per terminal, kept in --home." placeholder:"ID"`
	Home   string    `help:"Folder for your secrets, device ids, the place in the inbox and the history of a terminal. Default: cim in the user's configuration folder." placeholder:"DIR" type:"path"`
	clientTLSFlags
}

// Help is shown by cim chat --help.
func (c *chatCmd) Help() string {
	return `Lines: "text" to everyone online, "name;;text" or "id;;text" to one user, ":all" lists the commands.

The first use of a name registers it, where the route lets anyone register. Its secret is kept in --home, for this route and name, and shown at every login: take the file with you to be the same user elsewhere. With several routes it is kept for the first of them, and found for any.

On a terminal, the line at the bottom is edited as in a shell, with history and Tab, and messages appear above it; they are kept for ":q word" in --home. NO_COLOR turns colours off. Otherwise each is one line on stdout:

    time<TAB>from-id<TAB>from-name<TAB>kind<TAB>text

time is RFC 3339 in UTC with milliseconds; kind is private, everyone or group; backslashes, tabs, newlines and other control characters are escaped as in Go strings. What ":q word" finds is time, sent or received, id, name, kind, text. Errors are lines on stderr. At the end of input, chat waits until the last message is acknowledged and ends.

Exit code: 0; 1 when the login was refused, the server ended the session, or (with input that is not a terminal) any message was refused, or given up with ":q!"; 2 when it was called wrongly.`
}

// Validate is called by kong after parsing.
func (c *chatCmd) Validate() error {
	err := c.Route.check()
	switch {
	case err != nil:
		return err
	case c.Name == "":
		return errors.New("missing --name")
	case route.CheckName(norm.NFC.String(c.Name)) != nil:
		return fmt.Errorf("--name %q: a name has 1 to %d bytes, not all digits, no \";\" and no control characters", c.Name, route.MaxNameBytes)
	case len(c.Device) > maxDeviceBytes:
		return fmt.Errorf("--device has %d bytes: use at most %d", len(c.Device), maxDeviceBytes)
	}
	return c.check(c.Route)
}

// Run chats until the end of input, :q, ctx, or until the server says not to come back.
func (c *chatCmd) Run(ctx context.Context, io streams) error {
	signal.Ignore(syscall.SIGPIPE) // a closed stdout is an error with a sentence, not a silent death
	trust, err := c.config(c.Route)
	if err != nil {
		return err
	}
	dev, err := c.openDevice()
	if err != nil {
		return err
	}
	defer dev.release()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	ch := newChat(c, io, end)
	ch.client, err = client.Connect(ctx, client.Options{
		Route: string(c.Route), Name: norm.NFC.String(c.Name), Device: dev.id, Cursors: dev.cursors, Handler: ch,
		Secrets: dev.secrets, TLS: trust,
	})
	if err != nil {
		return c.connectError(ctx, err, c.secretFile(dev))
	}
	return ch.run(ctx)
}

// folder is where everything of chat is kept.
func (c *chatCmd) folder() (string, error) {
	if c.Home != "" {
		return c.Home, nil
	}
	base, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no configuration folder (%w): name one with --home", err)
	}
	return filepath.Join(base, "cim"), nil
}

func (c *chatCmd) openDevice() (*device, error) {
	home, err := c.folder()
	if err != nil {
		return nil, err
	}
	dir := c.Route.place(func(route string) string {
		return filepath.Join(home, "devices", pathPart(hostOf(route)), pathPart(norm.NFC.String(c.Name)))
	})
	dev, err := openDevice(dir, c.Device)
	if err != nil {
		return nil, fmt.Errorf("cannot keep a device id (%w): make the folder writable, or choose another with --home", err)
	}
	dev.secrets = client.NewFileSecrets(filepath.Join(home, "secrets"))
	return dev, nil
}

// secretFile is where the user's secret is, or would be.
func (c *chatCmd) secretFile(dev *device) string {
	return c.Route.place(func(route string) string { return dev.secrets.Path(route, norm.NFC.String(c.Name)) })
}

// connectError says what to do about a login that failed. A user who gave up is told nothing. The secret of
// the user is in the file of that name, if there is one.
func (c *chatCmd) connectError(ctx context.Context, err error, secret string) error {
	switch client.CodeOf(err) {
	case cimpb.CodeNameTaken:
		return fmt.Errorf("the name %q belongs to somebody: choose another with --name; if it is yours, bring its secret to %s, or have a new one made by whoever runs the route (%s)", c.Name, secret, newSecret(c.Name, secret))
	case cimpb.CodeBadCredentials, cimpb.CodeUnknownUser, cimpb.CodeUnknownAccount:
		if c.Route.several() {
			return c.foreignRoute(secret)
		}
	}
	switch client.CodeOf(err) {
	case cimpb.CodeBadCredentials:
		return fmt.Errorf("the secret of %q in %s does not count: bring the one that does%s, or have a new one made by whoever runs the route (%s)",
			c.Name, secret, earlierSecret(secret), newSecret(c.Name, secret))
	case cimpb.CodeUnauthorized, cimpb.CodeNotAllowed:
		return fmt.Errorf("whoever runs the route has to make the account %q (cim account import), and you to bring its secret to %s (%w)", c.Name, secret, sentence(err))
	}
	if ctx.Err() != nil {
		return whyFailed(ctx)
	}
	if failure := c.explain(err); failure != nil {
		return failure
	}
	return sentence(err)
}

// foreignRoute is why a secret that one of several routes has refused was not replaced.
func (c *chatCmd) foreignRoute(secret string) error {
	return fmt.Errorf("one of %s refused the secret of %q in %s: they may not be of one cluster, so check --route; if they are, bring the secret that counts%s, or move the file away to register anew",
		c.Route.subject(), c.Name, secret, earlierSecret(secret))
}

// newSecret is how whoever runs the route replaces a secret, and where it goes.
func newSecret(name, file string) string {
	return fmt.Sprintf("cim account secret --key-file KEYFILE %q > %q", name, file)
}

// earlierSecret points to what was kept when a route did not know the account, as with a new data folder.
func earlierSecret(path string) string {
	earlier := path + client.PreviousSecret
	if _, err := os.Stat(earlier); err != nil {
		return ""
	}
	return " (there is an earlier one in " + earlier + ")"
}

// sentence is what the server said, if it was the server.
func sentence(err error) error {
	if refused, ok := errors.AsType[*client.StatusError](err); ok {
		return refused
	}
	return err
}

// isTerminal reports whether a stream is one.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
