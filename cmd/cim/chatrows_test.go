package main

import (
	"slices"
	"testing"
)

func TestLayout(t *testing.T) {
	for name, tt := range map[string]struct {
		line    string
		pos     int
		columns int
		rows    []row
		cursor  place
	}{
		"empty":                {"", 0, 10, []row{{"> ", 2}}, place{0, 2}},
		"one row":              {"abc", 1, 10, []row{{"> abc", 5}}, place{0, 3}},
		"full":                 {"abc", 3, 5, []row{{"> abc", 5}, {"", 0}}, place{1, 0}},
		"full, not at its end": {"abc", 2, 5, []row{{"> abc", 5}}, place{0, 4}},
		"two rows":             {"abcd", 4, 5, []row{{"> abc", 5}, {"d", 1}}, place{1, 1}},
		"before the second":    {"abcd", 3, 5, []row{{"> abc", 5}, {"d", 1}}, place{1, 0}},
		"wide":                 {"你好", 1, 10, []row{{"> 你好", 6}}, place{0, 4}},
		"wide does not fit":    {"你好", 1, 5, []row{{"> 你", 4}, {"好", 2}}, place{1, 0}},
		"combining":            {"e\u0301x", 2, 10, []row{{"> e\u0301x", 4}}, place{0, 3}},
		"combining at the end": {"abe\u0301", 4, 5, []row{{"> abe\u0301", 5}, {"", 0}}, place{1, 0}},
		"family":               {"👨\u200d👩", 3, 10, []row{{"> 👨\u200d👩", 4}}, place{0, 4}},
		"escape":               {"\x1b[2J", 1, 20, []row{{`> \x1b[2J`, 9}}, place{0, 6}},
		"bidi":                 {"\u202ex", 2, 20, []row{{`> \u202ex`, 9}}, place{0, 9}},
		"one column":           {"ab", 2, 1, []row{{">", 1}, {" ", 1}, {"a", 1}, {"b", 1}, {"", 0}}, place{4, 0}},
		"too narrow":           {"你", 1, 1, []row{{">", 1}, {" ", 1}, {"你", 2}, {"", 0}}, place{3, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			rows, cursor := layout([]rune("> "), []rune(tt.line), tt.pos, tt.columns)
			if !slices.Equal(rows, tt.rows) || cursor != tt.cursor {
				t.Errorf("%+v, cursor %v; want %+v, %v", rows, cursor, tt.rows, tt.cursor)
			}
		})
	}
}
