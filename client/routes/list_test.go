package routes

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for list, want := range map[string][]string{
		"http://h:1":                                {"http://h:1"},
		" http://b/x/ , http://a,http://b/x/":       {"http://b/x/", "http://a"},
		"https://a,HTTPS://b:443":                   {"https://a", "HTTPS://b:443"},
		"http://[::1]:8083,http://user:pass@h:8083": {"http://[::1]:8083", "http://user:pass@h:8083"},
	} {
		l, err := Parse(list)
		if err != nil || !slices.Equal(l.URLs(), want) || l.String() != strings.Join(want, ", ") {
			t.Errorf("%q is %v, %v; want %q", list, l, err, want)
		}
		if err == nil && l.Plain() != strings.Contains(list, "http:") {
			t.Errorf("%q: Plain() = %t", list, l.Plain())
		}
	}
	for list, says := range map[string]string{
		"":                   `"" is not a URL: write it as http://`,
		"http://a,":          `"http://a," ends with a comma`,
		"http://a,,http://b": `"" is not a URL`,
		"http://a,b:8083":    `"b:8083" is not a URL`,
		"ftp://a":            `"ftp://a" is not a URL`,
		"https://a,http://b": `"https://a,http://b" is with and without TLS: begin all with https://`,
	} {
		if _, err := Parse(list); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", list, err, says)
		}
	}
}

// Of many clients with the same list, some begin with each of the routes.
func TestParseSpreadsClients(t *testing.T) {
	begin := [3]int{}
	for range 3000 {
		begin[MustParse("http://a,http://b,http://c").current.Load()]++
	}
	for i, n := range begin {
		if n < 800 || n > 1200 {
			t.Errorf("%d of 3000 begin with route %d", n, i)
		}
	}
}

func TestFromAndFirst(t *testing.T) {
	l := MustParse("http://a,http://b,http://c")
	for i, want := range []int64{0, 1, 2, 0} {
		if got := l.From(i).current.Load(); got != want {
			t.Errorf("From(%d) begins with %d", i, got)
		}
	}
	if got := l.First().URLs(); !slices.Equal(got, []string{"http://a"}) {
		t.Errorf("First() is %q", got)
	}
}

func TestMustParsePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	MustParse("h")
}
