package zkregistry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/go-zookeeper/zk"
)

// openACL is CIM's: everybody who reaches ZooKeeper may do everything.
var openACL = zk.WorldACL(zk.PermAll)

// aclFor gives nodes to who is authenticated, whatever digest ZooKeeper makes of the password, and lets everybody read them:
// CIM's routes have no credential.
func aclFor(auth string) []zk.ACL {
	if auth == "" {
		return openACL
	}
	return slices.Concat(zk.AuthACL(zk.PermAll), zk.WorldACL(zk.PermRead))
}

// CheckAuth reports whether text is a Config.Auth. ZooKeeper's digest cuts at the first colon. Errors: ErrConfig, which does
// not repeat the text.
func CheckAuth(text string) error {
	user, password, ok := strings.Cut(text, ":")
	if !ok || user == "" || password == "" || strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("%w: Auth has to be user:password on one line", ErrConfig)
	}
	return nil
}

// authenticate says who this is, if anybody. The library repeats it at each connection, but only once ZooKeeper has
// answered it: one that was cut off meanwhile is said again. Must run in the loop.
func (c *conn) authenticate(ctx context.Context) error {
	if c.auth == "" || c.authenticated {
		return nil
	}
	_, err := call(ctx, c, func(z *zk.Conn) (struct{}, error) { return struct{}{}, z.AddAuth("digest", []byte(c.auth)) })
	if err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	c.authenticated = true
	return nil
}

// denial is the first error that waiting does not mend. Made by newDenial; note must run in the loop.
type denial struct {
	ch  chan struct{} // closed when err is set
	err *error
}

func newDenial() denial { return denial{ch: make(chan struct{}), err: new(error)} }

func (d denial) note(err error) {
	if errors.Is(err, ErrDenied) && *d.err == nil {
		*d.err = err
		close(d.ch)
	}
}

// denied has an error of ZooKeeper that is about access be ErrDenied.
func denied(err error) error {
	if errors.Is(err, zk.ErrNoAuth) && !errors.Is(err, ErrDenied) {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return err
}

// inspectRoot warns, once, when the nodes that are made belong to one user and anybody may delete them still: that is up to
// their parent, which may be older.
func (v *view) inspectRoot(ctx context.Context) error {
	if v.inspected || v.conn.auth == "" {
		return nil
	}
	acl, err := call(ctx, v.conn, func(z *zk.Conn) ([]zk.ACL, error) {
		acl, _, err := z.GetACL(v.root)
		return acl, err
	})
	if err != nil && !errors.Is(err, zk.ErrNoAuth) {
		return fmt.Errorf("read the access list of %s: %w", v.root, err)
	}
	v.inspected = true
	if slices.ContainsFunc(acl, func(a zk.ACL) bool { return a.Scheme == "world" && a.Perms&^zk.PermRead != 0 }) {
		v.log.Warn("anybody who reaches ZooKeeper may still remove servers: the parent of their nodes is open to all; give it this credential with setAcl",
			"path", v.root)
	}
	return nil
}
