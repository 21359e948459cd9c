package redisstore

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// form is how the Redis behind a URL is found.
type form uint8

const (
	standalone form = iota
	sentinel
	cluster
)

// target is a parsed URL.
type target struct {
	form     form
	tls      bool
	addrs    []string
	username string
	password string
	db       int
	master   string // of sentinel

	sentinelUsername string
	sentinelPassword string
}

var forms = map[string]target{
	"redis":           {form: standalone},
	"rediss":          {form: standalone, tls: true},
	"redis+sentinel":  {form: sentinel},
	"rediss+sentinel": {form: sentinel, tls: true},
	"redis+cluster":   {form: cluster},
	"rediss+cluster":  {form: cluster, tls: true},
}

// Addresses are the host:port of each server that a URL names. Errors: ErrBadURL.
func Addresses(url string) ([]string, error) {
	t, err := parseURL(url)
	return t.addrs, err
}

// parseURL reads one of the forms that Config.URL has. Its errors do not repeat the URL, which may hold a password.
// Errors: ErrBadURL.
func parseURL(raw string) (target, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	t, known := forms[scheme]
	if !ok || !known {
		return target{}, fmt.Errorf("%w: it begins with redis://, redis+sentinel:// or redis+cluster://, or with rediss for TLS", ErrBadURL)
	}
	// net/url takes one host only, so the list is cut out.
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	hosts, user := rest[:end], ""
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		user, hosts = hosts[:at+1], hosts[at+1:]
	}
	u, err := url.Parse("redis://" + user + "hosts" + rest[end:])
	if err != nil {
		return target{}, fmt.Errorf("%w: name, password or path cannot be read; write special characters as %%xx", ErrBadURL)
	}
	if u.User != nil {
		t.username = u.User.Username()
		t.password, _ = u.User.Password()
	}
	if t.addrs, err = addresses(hosts, t.form); err != nil {
		return target{}, err
	}
	if err := t.parsePath(strings.Trim(u.Path, "/")); err != nil {
		return target{}, err
	}
	err = t.parseQuery(u.Query())
	return t, err
}

func addresses(hosts string, f form) ([]string, error) {
	port := "6379"
	if f == sentinel {
		port = "26379"
	}
	var addrs []string
	for host := range strings.SplitSeq(hosts, ",") {
		addr := host
		if _, _, err := net.SplitHostPort(host); err != nil {
			addr = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		name, number, err := net.SplitHostPort(addr)
		if n, nerr := strconv.ParseUint(number, 10, 16); err != nil || name == "" || nerr != nil || n == 0 {
			return nil, fmt.Errorf("%w: %q is not host:port", ErrBadURL, host)
		}
		addrs = append(addrs, addr)
	}
	if f == standalone && len(addrs) > 1 {
		return nil, fmt.Errorf("%w: several hosts need redis+sentinel:// or redis+cluster://", ErrBadURL)
	}
	return addrs, nil
}

func (t *target) parsePath(path string) error {
	db := path
	switch t.form {
	case sentinel:
		if t.master, db, _ = strings.Cut(path, "/"); t.master == "" {
			return fmt.Errorf("%w: the path names the master that the Sentinels watch, as in /mymaster", ErrBadURL)
		}
	case cluster:
		if path != "" {
			return fmt.Errorf("%w: a Redis Cluster has no numbered databases", ErrBadURL)
		}
	}
	if db == "" {
		return nil
	}
	n, err := strconv.ParseUint(db, 10, 16)
	if err != nil {
		return fmt.Errorf("%w: %q is not the number of a database", ErrBadURL, db)
	}
	t.db = int(n)
	return nil
}

func (t *target) parseQuery(q url.Values) error {
	for key := range q {
		switch {
		case t.form == sentinel && key == "sentinel_user":
			t.sentinelUsername = q.Get(key)
		case t.form == sentinel && key == "sentinel_password":
			t.sentinelPassword = q.Get(key)
		default:
			return fmt.Errorf("%w: it does not know ?%s=", ErrBadURL, key)
		}
	}
	return nil
}
