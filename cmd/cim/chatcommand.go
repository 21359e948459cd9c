package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cim/client"
)

const (
	commandTime = 10 * time.Second // for the answer of a route to a command
	foundUsers  = 50               // that :pu shows at most
)

// chatHelp is what :all prints. Its first column is what can be typed.
var chatHelp = [][2]string{
	{"text", "to everyone who is online"},
	{"name;;text", "to one user, online or not; id;;text does the same"},
	{"::text", "to everyone, a text that begins with a colon"},
	{":olu", "who is online"},
	{":pu prefix", "users whose names begin so"},
	{":q word", "what you sent and received on terminals with that word in it"},
	{":info", "this session"},
	{":all", "this list"},
	{":q", "end, when everything that was sent is acknowledged; :q! does not wait for it"},
}

// screenHelp is what :all prints besides, on a terminal.
var screenHelp = [][2]string{
	{":emoji page", "short names of pictures, as :smile:"},
	{"Tab", "finishes commands, names and :short names"},
	{"up, down", "lines that you sent before"},
	{"a paste", "is text line by line, never a command; begun behind name;; it all goes there"},
}

// command runs one command and reports whether the conversation goes on.
func (c *chat) command(ctx context.Context, name, arg string) (goOn bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	var table [][2]string
	switch {
	case (name == "q" || name == "q!") && arg == "":
		c.hurried = name == "q!"
		return false, nil
	case name == "all":
		table = c.help()
	case name == "q":
		err = c.search(arg)
	case c.screen != nil && name == "emoji":
		table, err = emojiTable(arg)
	case name == "olu":
		table, err = c.online(ctx)
	case name == "pu" && arg != "":
		table, err = c.find(ctx, arg)
	case name == "info":
		table = c.info(ctx)
	default:
		c.printer.note(unknownCommand(name, arg))
		return true, nil
	}
	if err != nil {
		c.printer.note(c.commandTrouble(err))
		return true, nil
	}
	if err := c.printer.table(table); err != nil {
		return false, err
	}
	return true, nil
}

func (c *chat) help() [][2]string {
	if c.screen == nil {
		return chatHelp
	}
	return slices.Concat(chatHelp, screenHelp)
}

func unknownCommand(name, arg string) string {
	switch name {
	case "q!":
		return ":q! alone leaves at once; :q " + arg + " searches your history"
	case "delay":
		return "sending later is not in this version: nothing was sent"
	case "g":
		return "groups are not in this version: nothing was done"
	case "pu":
		return ":pu needs the beginning of a name, as in :pu al"
	}
	return fmt.Sprintf("there is no command :%s; :all lists the commands, and ::%s is sent as text", name, strings.TrimSpace(name+" "+arg))
}

func (c *chat) online(ctx context.Context) ([][2]string, error) {
	var table [][2]string
	for a, err := range c.client.Online(ctx) {
		if err != nil {
			return nil, err
		}
		c.noteNames(a)
		table = append(table, accountRow(a))
	}
	return table, nil
}

func (c *chat) find(ctx context.Context, prefix string) ([][2]string, error) {
	found, err := c.client.Find(ctx, prefix, foundUsers)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("nobody has a name that begins with %s", prefix)
	}
	c.noteNames(found...)
	var table [][2]string
	for _, a := range found {
		table = append(table, accountRow(a))
	}
	return table, nil
}

func accountRow(a client.Account) [2]string { return [2]string{strconv.FormatInt(a.ID, 10), a.Name} }

func (c *chat) info(ctx context.Context) [][2]string {
	me, session := c.client.Me(), c.client.Session()
	table := [][2]string{{"user", me.Name}, {"id", strconv.FormatInt(me.ID, 10)}, {"route", c.cmd.Route.String()}}
	if session.Connected {
		table = append(table,
			[2]string{"state", "connected since " + session.Since.Format(time.RFC3339)},
			[2]string{"server", session.Addr},
			[2]string{"session", strconv.FormatUint(session.Epoch, 10)})
	} else {
		table = append(table, [2]string{"state", "not connected; trying again"})
	}
	online := "unknown"
	if n, err := c.client.OnlineCount(ctx); err == nil {
		online = strconv.Itoa(n)
	}
	return append(table, [2]string{"online", online})
}
