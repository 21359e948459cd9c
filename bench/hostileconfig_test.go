package bench

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestHostileConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*HostileConfig)
		says   string // empty: it is right
	}{
		"default":                {func(*HostileConfig) {}, ""},
		"nothing but frames":     {func(c *HostileConfig) { c.Dribble, c.Stall, c.Silent, c.Insiders = 0, 0, 0, 0 }, ""},
		"TLS of a plain route":   {func(c *HostileConfig) { c.TLS, c.TLSCA = true, "ca.pem" }, ""},
		"CA of a TLS route":      {func(c *HostileConfig) { c.Route, c.TLSCA = "https://h:1", "ca.pem" }, ""},
		"no URL":                 {func(c *HostileConfig) { c.Route = "localhost:8083" }, "--route"},
		"negative frames":        {func(c *HostileConfig) { c.Frames = -1 }, "--frames"},
		"no rate":                {func(c *HostileConfig) { c.Rate = 0 }, "--rate"},
		"no connects":            {func(c *HostileConfig) { c.Connects = 0 }, "--connects"},
		"too many to hold":       {func(c *HostileConfig) { c.Dribble = 1_000_001 }, "--dribble"},
		"negative stalls":        {func(c *HostileConfig) { c.Stall = -1 }, "--stall"},
		"negative silent ones":   {func(c *HostileConfig) { c.Silent = -1 }, "--silent"},
		"negative insiders":      {func(c *HostileConfig) { c.Insiders = -1 }, "--insiders"},
		"no process":             {func(c *HostileConfig) { c.Processes = 0 }, "--procs"},
		"raised priority":        {func(c *HostileConfig) { c.Nice = -1 }, "--nice"},
		"nobody to write to":     {func(c *HostileConfig) { c.Honest = 1 }, "--honest"},
		"more than ids leave":    {func(c *HostileConfig) { c.Honest = 10_001 }, "--honest"},
		"no beat":                {func(c *HostileConfig) { c.Beat = 0 }, "--beat"},
		"beat over the timeout":  {func(c *HostileConfig) { c.Beat = 2 * time.Minute }, "--beat"},
		"nothing to compare to":  {func(c *HostileConfig) { c.Before = 0 }, "--before"},
		"no time":                {func(c *HostileConfig) { c.For = 0 }, "--for"},
		"ends before its end":    {func(c *HostileConfig) { c.AtMost = c.For - 1 }, "--at-most"},
		"without end":            {func(c *HostileConfig) { c.AtMost = 25 * time.Hour }, "--at-most"},
		"CA without use":         {func(c *HostileConfig) { c.TLSCA = "ca.pem" }, "--tls-ca"},
		"negative process id":    {func(c *HostileConfig) { c.ServerPID = -1 }, "--server-pid"},
		"status without a pause": {func(c *HostileConfig) { c.StatusEvery = 0 }, "StatusEvery"},
	} {
		t.Run(name, func(t *testing.T) {
			c := DefaultHostile()
			c.Route = "http://127.0.0.1:8083"
			tc.change(&c)
			err := c.Validate()
			switch {
			case tc.says == "" && err != nil:
				t.Error(err)
			case tc.says != "" && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tc.says)):
				t.Errorf("%v, want ErrConfig that says %s", err, tc.says)
			}
		})
	}
}

// The parts of an attack add up to all of it, and no account is at two processes.
func TestHostileJobs(t *testing.T) {
	c := DefaultHostile()
	c.Processes, c.Frames, c.Dribble, c.Stall, c.Silent, c.Rate, c.Connects = 3, 10, 7, 2, 0, 30, 9
	insiders := []account{{UserID: 1}, {UserID: 2}, {UserID: 3}, {UserID: 4}}
	var sum hostileJob
	users := map[int64]int{}
	for p, j := range c.jobs("h:1", insiders) {
		if j.Process != p || j.Target != "h:1" || j.Rate != 10 || j.Connects != 3 {
			t.Errorf("process %d: %+v", p, j)
		}
		sum.Frames += j.Frames
		sum.Dribble += j.Dribble
		sum.Stall += j.Stall
		sum.Silent += j.Silent
		for _, u := range j.Insiders {
			users[u.UserID]++
		}
	}
	if sum.Frames != 10 || sum.Dribble != 7 || sum.Stall != 2 || sum.Silent != 0 {
		t.Errorf("in sum %+v", sum)
	}
	if len(users) != 4 || users[1] != 1 || users[4] != 1 {
		t.Errorf("insiders %v", users)
	}
}

func TestHostileTallyAdds(t *testing.T) {
	one := newHostileTally()
	one.Frames["bits"], one.Opened["stall"], one.Closed, one.Held, one.Bytes, one.Logins = 2, 3, 4, 5, 6, 7
	total := newHostileTally()
	total.add(one)
	total.add(one)
	if total.Frames["bits"] != 4 || total.Opened["stall"] != 6 || total.Closed != 8 || total.Held != 10 || total.Bytes != 12 || total.Logins != 14 {
		t.Errorf("%+v", total)
	}
	if !total.AllSent {
		t.Error("all processes have sent everything")
	}
	if total.add(hostileTally{}); total.AllSent {
		t.Error("one process has not sent everything")
	}
}
