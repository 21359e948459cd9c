package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/text/unicode/norm"

	"cim/client"
)

// screen is what a conversation has when a person sits at a terminal. With pipes there is none of it.
type screen struct {
	*console
	terminal *terminal
	names    *nameBook
	askCh    chan string // beginnings of names to look for
	log      *history    // nil: it cannot be kept
	logLost  sync.Once   // that it cannot is told once
}

// useScreen makes the conversation one of a person, if one sits there.
func (c *chat) useScreen(io streams) {
	t := openTerminal(io)
	if t == nil {
		return
	}
	paint := newPainter(os.Getenv)
	s := &screen{console: newConsole(io.in, io.out, t.size, paint), terminal: t, names: &nameBook{}, askCh: make(chan string, 1)}
	s.complete = completer{names: s.names, ask: s.askNames}
	s.suspend = func() { t.suspend(s.console) }
	c.screen = s
	c.printer = newPrinter(s.console, s.console, true)
	if !isTerminal(io.err) {
		c.printer.err.w = io.err
	}
	c.printer.paint = paint
	if err := c.openHistory(); err != nil {
		c.printer.note(err.Error())
	}
}

func (c *chat) openHistory() error {
	path, err := c.historyPath()
	if err != nil {
		return err
	}
	log, err := openHistory(path)
	if err != nil {
		return fmt.Errorf("no history is kept: %w", err)
	}
	c.screen.log = log
	lines, err := log.sent(recalledLines)
	c.screen.edit.recalled = lines
	return err
}

// historyPath is the file of this name at this route.
func (c *chat) historyPath() (string, error) {
	home, err := c.cmd.folder()
	if err != nil {
		return "", err
	}
	return c.cmd.Route.place(func(route string) string {
		return historyFileOf(home, hostOf(route), norm.NFC.String(c.cmd.Name))
	}), nil
}

// readHistory is for searching. Without a screen nothing is written to it.
func (c *chat) readHistory() (*history, error) {
	if c.screen != nil && c.screen.log != nil {
		return c.screen.log, nil
	}
	path, err := c.historyPath()
	return &history{path: path}, err
}

// begin gives the screen to the conversation. end gives it back.
func (s *screen) begin(name string) error {
	s.terminal.watch()
	if err := s.terminal.raw(); err != nil {
		s.terminal.unwatch()
		return fmt.Errorf("cannot read single keys of the terminal: %w", err)
	}
	return s.open(name)
}

func (s *screen) end() {
	s.terminal.restore() // first: close may wait for a screen that does not take anything
	s.terminal.unwatch()
	s.close()
	if s.log != nil {
		_ = s.log.Close() // every record is written already
	}
}

// showScreen starts what the screen needs.
func (c *chat) showScreen(ctx context.Context, wg *sync.WaitGroup) {
	wg.Go(c.guarded(ctx, c.monitorNames))
	wg.Go(c.guarded(ctx, func(ctx context.Context) {
		c.screen.terminal.monitorSignals(ctx, c.screen.console, func() { c.end(nil) })
	}))
}

// guarded is run with ctx, under guard.
func (c *chat) guarded(ctx context.Context, run func(context.Context)) func() {
	return func() {
		defer c.guard()
		run(ctx)
	}
}

// lines are what is typed, or read where nobody types.
func (c *chat) lines() (lineCh <-chan inputLine, stop func()) {
	if c.screen == nil {
		return readLines(c.in)
	}
	return handLines(nil, func(take func(inputLine) bool) { // its modes have yet to be put back
		defer c.guard()
		c.screen.read(take)
	})
}

// guard puts the terminal back when its goroutine panics. It has to be deferred itself.
func (c *chat) guard() {
	if c.screen == nil {
		return
	}
	if why := recover(); why != nil {
		c.screen.terminal.restore()
		c.screen.close()
		panic(why)
	}
}

// keep writes to the history.
func (c *chat) keep(records ...record) {
	if c.screen == nil || c.screen.log == nil {
		return
	}
	for _, r := range records {
		if err := c.screen.log.add(r); err != nil {
			c.screen.logLost.Do(func() { c.printer.note("the history cannot be written: " + oneLine(err)) })
			return
		}
	}
}

// received notes a message that was printed.
func (c *chat) received(m *client.Message) {
	if c.screen != nil {
		c.screen.names.add(m.FromName)
		c.keep(receivedRecords(m)...)
	}
}

// sent notes a message that was acknowledged.
func (c *chat) sent(o outgoing, r client.Receipt) {
	c.sayStored(o.to, r.Offline)
	if c.screen != nil {
		c.keep(sentRecord(o, time.Now()))
	}
}

// showAway says in the prompt whether there is a connection.
func (c *chat) showAway(away bool) {
	c.away.Store(away)
	if c.screen != nil {
		c.screen.setAway(away)
	}
}

// typed prints a line that was entered above the next one. With pipes there is nothing to see.
func (c *chat) typed(line string, in input) error {
	switch {
	case c.screen == nil || in.kind == inputNothing:
		return nil
	case in.kind == inputText:
		return c.printer.own(in.to, in.text, c.stateOf(in.to), time.Now())
	}
	return c.printer.echo(line)
}

// search prints what the history has with word in it.
func (c *chat) search(word string) error {
	log, err := c.readHistory()
	if err != nil {
		c.printer.note("there is no history: " + oneLine(err))
		return nil
	}
	found, all, err := log.search(word)
	switch {
	case err != nil:
		c.printer.note("the history cannot be read: " + oneLine(err))
		return nil
	case all == 0:
		c.printer.note("your history has nothing with " + word)
		return nil
	case all > len(found):
		c.printer.note(fmt.Sprintf("the last %d of %d", len(found), all))
	}
	return c.printer.past(found)
}

// noteNames makes accounts known to the completion.
func (c *chat) noteNames(accounts ...client.Account) {
	if c.screen == nil {
		return
	}
	for _, a := range accounts {
		c.screen.names.add(a.Name)
	}
}

// monitorNames asks the route for the names that somebody wants to complete, until ctx ends.
func (c *chat) monitorNames(ctx context.Context) {
	for {
		select {
		case prefix := <-c.screen.askCh:
			c.lookFor(ctx, prefix)
		case <-ctx.Done():
			return
		}
	}
}

func (c *chat) lookFor(ctx context.Context, prefix string) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	if found, err := c.client.Find(ctx, prefix, foundUsers); err == nil && len(found) > 0 {
		c.noteNames(found...)
		c.screen.namesCame()
	}
}

// askNames hands a prefix to monitorNames, or drops it while that is at work.
func (s *screen) askNames(prefix string) {
	select {
	case s.askCh <- prefix:
	default:
	}
}
