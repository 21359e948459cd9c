package main

import (
	"errors"
	"strings"

	"github.com/alecthomas/kong"
)

// plainUsage says some mistakes in the command line more plainly than the parser does, which has no errors of its own for
// them. It returns every other error as it is.
func plainUsage(err error) error {
	text := err.Error()
	if flags, ok := strings.CutPrefix(text, "missing flags: "); ok {
		all := strings.Split(flags, ", ")
		for i := range all {
			all[i], _, _ = strings.Cut(all[i], "=")
		}
		return errors.New("missing " + strings.Join(all, ", "))
	}
	if strings.HasPrefix(text, "unexpected argument ") && commandOf(err) == "push" {
		return errors.New(text + ": a text of several words goes into quotes, as \"hello there\"")
	}
	return err
}

// commandOf is the command that a mistake was made with; empty: none was named.
func commandOf(err error) string {
	if e, ok := errors.AsType[*kong.ParseError](err); ok && e.Context.Selected() != nil {
		return e.Context.Selected().Name
	}
	return ""
}
