package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"cim/route"
)

// maxReceivers of one file; more can be sent with several runs.
const maxReceivers = 1 << 20

// readReceivers adds those of --to-file to those of --to. Nothing is sent when any line of it makes no sense.
func (c *pushCmd) readReceivers(in io.Reader) error {
	if c.ToFile == "" {
		return nil
	}
	if c.ToFile != stdinFile {
		f, err := os.Open(c.ToFile)
		if err != nil {
			return fmt.Errorf("--to-file: %w", err)
		}
		defer f.Close()
		in = f
	}
	to, err := receiversOf(in)
	if err != nil {
		return fmt.Errorf("--to-file %s: %w", c.ToFile, err)
	}
	c.To = append(c.To, to...)
	return nil
}

// receiversOf reads one receiver a line. Empty lines are passed over.
func receiversOf(r io.Reader) ([]string, error) {
	var to []string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4*route.MaxNameBytes) // names that are not in NFC yet may be longer
	for n := 1; lines.Scan(); n++ {
		switch who := strings.TrimSpace(lines.Text()); {
		case who == "":
		case !isReceiver(who):
			return nil, fmt.Errorf("line %d: %q is neither an id nor a name", n, who)
		case len(to) == maxReceivers:
			return nil, fmt.Errorf("there are more than %d receivers: send to them in parts", maxReceivers)
		default:
			to = append(to, who)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("a line has over %d bytes: write one receiver a line", 4*route.MaxNameBytes)
	case err != nil:
		return nil, err
	case len(to) == 0:
		return nil, errors.New("there is nobody in it: write one receiver a line")
	}
	return to, nil
}
