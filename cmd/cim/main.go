// Command cim is the whole system in one binary: servers, routes, a chat client and the load harness.
// Flags, environment and configuration file are read here and nowhere else; the packages it wires
// together do not know each other.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes, which scripts depend on.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// cli is the command line. Each command is a type with Run; its fields are its flags.
type cli struct {
	Config string `help:"YAML file with a section per command, such as \"up: {listen: '127.0.0.1:11211'}\"; flags and environment win over it." placeholder:"FILE" type:"path" env:"CIM_CONFIG"`

	Up      upCmd      `cmd:"" help:"Run everything in one process: IM server, route and embedded store."`
	Server  serverCmd  `cmd:"" help:"Run one IM server of a cluster."`
	Route   routeCmd   `cmd:"" help:"Run one route of a cluster: its HTTP API."`
	Chat    chatCmd    `cmd:"" help:"Chat in the terminal, or by lines on stdin and stdout."`
	Push    pushCmd    `cmd:"" help:"Send a message from a script or a back end."`
	Account accountCmd `cmd:"" help:"Make accounts, replace their secrets, disable them."`
	Keys    keysCmd    `cmd:"" help:"Rotate the keys that sign tokens."`
	Bench   benchCmd   `cmd:"" help:"Load a server with many connections."`
	Doctor  doctorCmd  `cmd:"" help:"Say how many connections this machine holds, and what to set for more."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// streams are what a command talks to its user by.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// usageError is a mistake in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run parses args and runs the command. Errors are one line on io.err.
func run(ctx context.Context, args []string, io streams) int {
	err := parseAndRun(ctx, args, io)
	var usage usageError
	var exited exitedError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exited):
		return int(exited)
	case errors.As(err, &usage):
		fmt.Fprintln(io.err, "cim:", oneLine(err))
		return exitUsage
	}
	fmt.Fprintln(io.err, "cim:", oneLine(err))
	return exitFailed
}

// exitedError is kong's wish to end, after help.
type exitedError int

func (e exitedError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

func parseAndRun(ctx context.Context, args []string, io streams) (err error) {
	defer func() {
		if e, ok := recover().(exitedError); ok {
			err = e
		}
	}()
	var c cli
	parser, err := newParser(&c, io)
	if err != nil {
		return err
	}
	if err := useConfigFile(parser, args); err != nil {
		return usageError{err}
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if err != nil {
		return usageError{plainUsage(err)}
	}
	k.BindTo(ctx, (*context.Context)(nil))
	return k.Run(io)
}

func newParser(c *cli, io streams) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("cim"),
		kong.Description("Messaging for very many connections: people, back ends and devices."),
		kong.Writers(io.out, io.err),
		kong.DefaultEnvars("CIM"),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) { panic(exitedError(code)) }))
}
