package routes

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
)

// List is the routes of one cluster, of which any will do for any request. It remembers which of them answered last.
// It is safe for concurrent use.
type List struct {
	urls []string // immutable; as they were given

	current atomic.Int64 // who is asked first
}

// Parse reads base URLs, one or several with commas between them. The first request goes to a random one, so that many
// clients spread over all. The error begins with what is wrong, in quotes, and says what to write.
func Parse(list string) (*List, error) {
	l := &List{}
	if strings.HasSuffix(strings.TrimSpace(list), ",") {
		return nil, fmt.Errorf("%q ends with a comma: write another URL behind it, or leave it out", list)
	}
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSpace(one)
		u, err := url.Parse(one)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("%q is not a URL: write it as http://127.0.0.1:8083, several with commas between them", one)
		}
		if !slices.Contains(l.urls, one) {
			l.urls = append(l.urls, one)
		}
	}
	if slices.ContainsFunc(l.urls, func(u string) bool { return isPlain(u) != isPlain(l.urls[0]) }) {
		// A secret would go out in the clear as soon as somebody keeps the routes with TLS from answering.
		return nil, fmt.Errorf("%q is with and without TLS: begin all with https://, or all with http://", list)
	}
	l.current.Store(rand.Int64N(int64(len(l.urls))))
	return l, nil
}

// MustParse is Parse for what was parsed before. It panics at an error.
func MustParse(list string) *List {
	l, err := Parse(list)
	if err != nil {
		panic("routes: " + err.Error())
	}
	return l
}

func isPlain(u string) bool { return len(u) > 4 && strings.EqualFold(u[:5], "http:") }

// Plain reports whether the routes are without TLS.
func (l *List) Plain() bool { return isPlain(l.urls[0]) }

// URLs are the routes, in the order in which they were given. The caller must not change them.
func (l *List) URLs() []string { return l.urls }

// String names the routes for a person.
func (l *List) String() string { return strings.Join(l.urls, ", ") }

// From is another list of the same routes that begins with the i-th of them, counted round.
func (l *List) From(i int) *List {
	from := &List{urls: l.urls}
	from.current.Store(int64(i % len(l.urls)))
	return from
}

// First is a list of the first route alone.
func (l *List) First() *List { return &List{urls: l.urls[:1]} }

// base is a route as paths follow it.
func (l *List) base(i int) string { return strings.TrimRight(l.urls[i], "/") }
