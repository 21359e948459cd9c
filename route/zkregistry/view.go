package zkregistry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"

	"github.com/go-zookeeper/zk"

	"cim/route"
)

// view is what ZooKeeper lists, as far as it has been read. Owned by the loop.
type view struct {
	conn *conn
	root string
	log  *slog.Logger

	inspected bool // who may change the list

	stale   bool // the list has to be read
	watched bool // its watch is set and has not fired
	nodes   map[string]*node
}

// node is one child of the root.
type node struct {
	stale, watched bool // as in view
	server         route.Server
	valid          bool // server is one
}

func newView(c *conn, cfg Config) *view {
	return &view{conn: c, root: cfg.Root, log: cfg.Logger, stale: true, nodes: map[string]*node{}}
}

// note marks what has to be read again. A watch that fired is gone; an expired session takes all of its watches
// along. After a new connection of the same session the library sets the watches again, but counts what it saw
// last while answers already come in: what happened in between is not left to that.
func (v *view) note(c changes) {
	if c.expired || c.list {
		v.watched = false
	}
	v.stale = v.stale || c.expired || c.resumed || c.list
	for _, n := range v.nodes {
		if c.expired {
			n.watched = false
		}
		n.stale = n.stale || c.expired || c.resumed
	}
	for _, name := range c.nodes {
		if n := v.nodes[name]; n != nil {
			n.stale, n.watched = true, false
		}
	}
}

// read brings the view up to date. What was read before an error stays.
func (v *view) read(ctx context.Context) error {
	if v.stale {
		if err := v.readList(ctx); err != nil {
			return fmt.Errorf("list %s: %w", v.root, err)
		}
	}
	for name, n := range v.nodes {
		if !n.stale {
			continue
		}
		if err := v.readNode(ctx, name, n); err != nil {
			return fmt.Errorf("read %s: %w", v.path(name), err)
		}
	}
	return nil
}

func (v *view) readList(ctx context.Context) error {
	names, err := v.conn.children(ctx, v.root, !v.watched)
	if errors.Is(err, zk.ErrNoNode) {
		if err = v.makeRoot(ctx); err == nil {
			names, err = v.conn.children(ctx, v.root, !v.watched)
		}
	}
	if err != nil {
		return err
	}
	v.stale, v.watched = false, true
	listed := make(map[string]bool, len(names))
	for _, name := range names {
		listed[name] = true
		if v.nodes[name] == nil {
			v.nodes[name] = &node{stale: true}
		}
	}
	maps.DeleteFunc(v.nodes, func(name string, _ *node) bool { return !listed[name] })
	return nil
}

func (v *view) readNode(ctx context.Context, name string, n *node) error {
	r, err := v.conn.get(ctx, v.path(name), !n.watched)
	switch {
	case errors.Is(err, zk.ErrNoNode):
		delete(v.nodes, name) // should it be back already, then the list's watch has fired
		return nil
	case errors.Is(err, zk.ErrNoAuth): // not one that a server made
		n.stale, n.valid = false, false
		v.log.Warn("a node in ZooKeeper cannot be read", "path", v.path(name))
		return nil
	case err != nil:
		return err
	}
	n.stale, n.watched = false, true
	if n.server, n.valid = parseNode(name, r.data); !n.valid {
		v.log.Warn("a node in ZooKeeper is not a server's", "path", v.path(name))
	}
	return nil
}

// makeRoot makes the root and what is above it.
func (v *view) makeRoot(ctx context.Context) error {
	for i := 1; i <= len(v.root); i++ {
		if i < len(v.root) && v.root[i] != '/' {
			continue
		}
		err := v.conn.create(ctx, v.root[:i], nil, 0)
		if err != nil && !errors.Is(err, zk.ErrNodeExists) {
			return fmt.Errorf("make %s: %w", v.root[:i], err)
		}
	}
	return nil
}

// servers are the valid nodes, by name, in a map of the caller's.
func (v *view) servers() map[string]route.Server {
	out := make(map[string]route.Server, len(v.nodes))
	for name, n := range v.nodes {
		if n.valid {
			out[name] = n.server
		}
	}
	return out
}

// touched marks a node that this process has made or deleted: its watch tells of it only after this step.
func (v *view) touched(name string) {
	v.stale = true
	if n := v.nodes[name]; n != nil {
		n.stale = true
	}
}

func (v *view) path(name string) string { return strings.Join([]string{v.root, name}, "/") }
