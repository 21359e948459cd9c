package client

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	good := Options{Route: "http://h:8083", Name: "alice", Handler: HandlerFuncs{}}
	for _, tt := range []struct {
		name string
		set  func(o *Options)
		want string // in the error; empty: valid
	}{
		{"complete", func(*Options) {}, ""},
		{"https and an id", func(o *Options) { o.Route, o.Name, o.UserID = "https://h/cim/", "", 5 }, ""},
		{"no route", func(o *Options) { o.Route = "" }, "set Options.Route"},
		{"route without a scheme", func(o *Options) { o.Route = "h:8083" }, "write it as"},
		{"route of another scheme", func(o *Options) { o.Route = "ftp://h" }, "write it as"},
		{"route that is no URL", func(o *Options) { o.Route = "http://h:port" }, "write it as"},
		{"several routes", func(o *Options) { o.Route = "http://h:8083, http://i:8083/cim/" }, ""},
		{"several routes, one of them wrong", func(o *Options) { o.Route = "http://h:8083,i:8083" }, `the route "i:8083" is not a URL`},
		{"routes with and without TLS", func(o *Options) { o.Route = "https://h,http://i" }, "begin all with https://"},
		{"nobody", func(o *Options) { o.Name = "" }, "set Options.Name or"},
		{"negative id", func(o *Options) { o.UserID = -1 }, "below zero"},
		{"unknown kind", func(o *Options) { o.Kind = "robot" }, "use AccountUser"},
		{"long device", func(o *Options) { o.Device = strings.Repeat("d", 65) }, "at most 64"},
		{"no handler", func(o *Options) { o.Handler = nil }, "set Options.Handler"},
		{"negative duration", func(o *Options) { o.Heartbeat = -1 }, "leave it out"},
		{"negative back-off", func(o *Options) { o.Backoff.Min = -1 }, "leave it out"},
		{"inverted back-off", func(o *Options) { o.Backoff.Min = time.Minute }, "swap them"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.set(&o)
			err := o.Validate()
			switch {
			case (err == nil) != (tt.want == ""):
				t.Errorf("Validate: %v, want %q", err, tt.want)
			case err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n")):
				t.Errorf("Validate: %q, want one line with %q", err, tt.want)
			}
		})
	}
}

func TestDefaultsAreComplete(t *testing.T) {
	o := Options{}.withDefaults()
	if o.Kind != AccountUser || o.Cursors == nil || o.Logger == nil || o.Dialer == nil || o.ConnectTimeout <= 0 ||
		o.WriteTimeout <= 0 || o.Backoff != (Backoff{500 * time.Millisecond, 30 * time.Second}) {
		t.Errorf("defaults %+v", o)
	}
	if len(o.Device) != 32 || o.Device != (Options{}).withDefaults().Device {
		t.Errorf("device %q is not one of 32 hex digits for the whole process", o.Device)
	}
	if kept := (Options{Device: "d", WriteTimeout: 1}).withDefaults(); kept.Device != "d" || kept.WriteTimeout != 1 {
		t.Errorf("defaults replaced what was set: %+v", kept)
	}
}

func TestHandlerFuncsWithoutFunctions(t *testing.T) {
	if err := (HandlerFuncs{}).Message(t.Context(), Message{}); err != nil {
		t.Error(err)
	}
	HandlerFuncs{}.State(StateChange{})
	told := State(0)
	HandlerFuncs{OnState: func(s StateChange) { told = s.State }}.State(StateChange{State: StateClosed})
	if told != StateClosed || told.String() != "closed" || State(99).String() != "state 99" {
		t.Errorf("told %v", told)
	}
}

func TestFromContextOfAnother(t *testing.T) {
	if c := FromContext(t.Context()); c != nil {
		t.Errorf("found %v", c)
	}
}
