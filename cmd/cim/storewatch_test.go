package main

import (
	"errors"
	"testing"
)

func TestStoreWatch(t *testing.T) {
	away := errors.New("no answer")
	type answer struct {
		id  string
		err error
		due bool
	}
	for name, answers := range map[string][]answer{
		"the first look":         {{"a", nil, false}},
		"nothing happens":        {{"a", nil, false}, {"a", nil, false}},
		"started between looks":  {{"a", nil, false}, {"b", nil, true}, {"b", nil, false}},
		"away, the same":         {{"a", nil, false}, {"", away, false}, {"", away, false}, {"a", nil, true}, {"a", nil, false}},
		"away, another":          {{"a", nil, false}, {"", away, false}, {"b", nil, true}},
		"away at the first look": {{"", away, false}, {"a", nil, false}, {"a", nil, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var w storeWatch
			for i, a := range answers {
				if due := w.look(a.id, a.err); due != a.due {
					t.Errorf("look %d (%q, %v): due %v", i, a.id, a.err, due)
				}
			}
		})
	}
}
