package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"cim/route"
)

// maxPush is more than a route takes: it is the route that says what is too large.
const maxPush = 2 << 20

// pushCmd sends one message from a script or a back end.
type pushCmd struct {
	Application applicationFlags `embed:""`
	To          []string         `help:"Receiver, by id or by name; may be given many times." placeholder:"ID|NAME" sep:"none"`
	ToFile      string           `name:"to-file" help:"Receivers, one a line, by id or by name; - reads them from stdin." placeholder:"FILE" type:"path"`
	All         bool             `help:"To everyone who is connected."`
	Group       string           `help:"Groups are not in this version." placeholder:"ID"`
	QoS         *int             `name:"qos" help:"1: stored for the receiver before it is said to be sent; 0: to who is connected now. Default: 1, and 0 for --all." placeholder:"0|1"`
	PayloadFile string           `help:"Send the bytes of this file in place of TEXT." placeholder:"FILE" type:"path"`
	JSON        bool             `name:"json" help:"Print each result as one JSON object."`
	Text        *string          `arg:"" optional:"" help:"What to say; - reads it from stdin."`
}

// Help is shown by cim push --help.
func (c *pushCmd) Help() string {
	return `Prints one line for each receiver, in the order of the command line, those of --to-file last:

    id<TAB>result<TAB>seq

result is stored (in the inbox of the receiver, at seq), written (handed to the connection, with --qos 0), or the reason why not: unknown_user, inbox_full, offline and so on; unreachable or not_sent when nothing was sent, no_answer when that is not known. With --all it is one line, everyone<TAB>reached<TAB>connections.

A request that fails for the moment is made again a few times, with the same message id: nobody gets the message twice.

Exit code: 0 when each receiver has it; 1 when any has not; 2 when it was called wrongly.`
}

// Validate is called by kong after parsing.
func (c *pushCmd) Validate() error {
	switch {
	case c.Group != "":
		return errors.New("--group: groups are not in this version")
	case !c.named() && !c.All:
		return errors.New("nobody to send to: give --to ID|NAME, as often as you like, --to-file FILE, or --all")
	case c.named() && c.All:
		return errors.New("give --to and --to-file, or --all, not both")
	case c.ToFile == stdinFile && c.Text != nil && *c.Text == stdinFile:
		return errors.New("the text and the receivers cannot both come from stdin: give one of them otherwise")
	case (c.Text == nil) == (c.PayloadFile == ""):
		return errors.New("give either TEXT (- for stdin) or --payload-file FILE")
	case c.QoS != nil && *c.QoS != 0 && *c.QoS != 1:
		return errors.New("--qos has to be 0 or 1")
	case c.QoS != nil && *c.QoS == 1 && c.All:
		return errors.New("--qos 1 is not for --all: a message to everyone reaches who is connected now")
	}
	for _, who := range c.To {
		if !isReceiver(who) {
			return fmt.Errorf("--to %q is neither an id nor a name", who)
		}
	}
	return c.Application.check()
}

// stdinFile stands for stdin where a file or a text is asked for.
const stdinFile = "-"

// named reports whether receivers are named one by one.
func (c *pushCmd) named() bool { return len(c.To) > 0 || c.ToFile != "" }

func isReceiver(who string) bool {
	_, isID := accountID(who)
	return isID || route.CheckName(norm.NFC.String(who)) == nil
}

// Run sends and prints what became of it.
func (c *pushCmd) Run(ctx context.Context, io streams) error {
	app, err := c.Application.open()
	if err != nil {
		return err
	}
	if err := c.readReceivers(io.in); err != nil {
		return err
	}
	m, err := c.message(io.in)
	if err != nil {
		return err
	}
	return c.push(ctx, app, m, io.out)
}

// push is Run with its parts in hand.
func (c *pushCmd) push(ctx context.Context, app *application, m pushMessage, out io.Writer) error {
	w := bufio.NewWriter(out)
	p := &pusher{app: app, message: m, show: printResult(w, c.JSON), flush: w.Flush}
	if c.All {
		return p.everyone(ctx)
	}
	return p.receivers(ctx, c.To)
}

// pushMessage is the body of POST /v1/messages.
type pushMessage struct {
	Users       []int64 `json:"users,omitempty"`
	Everyone    bool    `json:"everyone,omitempty"`
	Text        *string `json:"text,omitempty"`
	Payload     []byte  `json:"payload,omitempty"`
	QoS         int     `json:"qos"`
	ClientMsgID uint64  `json:"client_msg_id"` // one for the run: what is sent again is the same message
}

func (c *pushCmd) message(in io.Reader) (pushMessage, error) {
	m := pushMessage{Everyone: c.All, QoS: 1, ClientMsgID: newMessageID()}
	if c.All {
		m.QoS = 0
	}
	if c.QoS != nil {
		m.QoS = *c.QoS
	}
	var err error
	switch {
	case c.PayloadFile != "":
		m.Payload, err = readPayload(c.PayloadFile)
	case *c.Text == stdinFile:
		m.Text, err = readText(in)
	default:
		m.Text = c.Text
	}
	return m, err
}

// newMessageID is random: applications share their sender, so a counter would meet another one's.
func newMessageID() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails since Go 1.24
		if id := binary.BigEndian.Uint64(b[:]) & uint64(route.MaxID); id != 0 {
			return id
		}
	}
}

func readPayload(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--payload-file: %w", err)
	}
	defer f.Close()
	b, err := readAtMost(f)
	if err == nil && len(b) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("--payload-file %s: %w", path, err)
	}
	return b, nil
}

// readText takes the newline off that ends what echo writes.
func readText(in io.Reader) (*string, error) {
	b, err := readAtMost(in)
	if err != nil {
		return nil, fmt.Errorf("read the text from stdin: %w", err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	return &text, nil
}

func readAtMost(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPush+1))
	if err == nil && len(b) > maxPush {
		err = fmt.Errorf("there are more than %d bytes", maxPush)
	}
	return b, err
}

// accountID reports whether who is an id: names are never all digits.
func accountID(who string) (int64, bool) {
	if who == "" || strings.Trim(who, "0123456789") != "" {
		return 0, false
	}
	id, err := strconv.ParseInt(who, 10, 64)
	if err != nil || id > route.MaxID {
		return 0, true // nobody has it
	}
	return id, true
}
