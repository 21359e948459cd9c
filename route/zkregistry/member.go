package zkregistry

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"cim/route"
)

// member is a server that joined here.
type member struct {
	server route.Server // immutable
	name   string       // immutable
	data   []byte       // immutable

	joinedCh chan struct{} // closed when its node was made for the first time
	leftCh   chan struct{} // closed when its node is gone
	denial   denial        // when ZooKeeper would not let its node be made

	// Owned by the loop.
	announced bool // its node is there, as far as is known
	joined    bool // joinedCh is closed
	replaced  bool // its node is there, and another server's
}

func newMember(s route.Server) (*member, error) {
	name, err := nodeName(s)
	if err != nil {
		return nil, err
	}
	data, err := encodeNode(s)
	if err != nil {
		return nil, err
	}
	return &member{server: s, name: name, data: data, joinedCh: make(chan struct{}), leftCh: make(chan struct{}), denial: newDenial()}, nil
}

// announceTries bounds how often a node may change between looking and acting.
const announceTries = 3

// announce makes the member's node. What an earlier process left at that path, or what this one left in a session
// before, is replaced. Once a member has had its node, another instance there is a living server with the same
// address: the two must not replace each other for ever, so the newer one has it.
func (v *view) announce(ctx context.Context, m *member) error {
	path, err := v.path(m.name), error(nil)
	for range announceTries {
		err = v.conn.create(ctx, path, m.data, zk.FlagEphemeral)
		switch {
		case errors.Is(err, zk.ErrNoNode):
			err = v.makeRoot(ctx)
		case errors.Is(err, zk.ErrNodeExists):
			err = v.takeOver(ctx, path, m)
		case err == nil:
			m.announced, m.replaced = true, false
		}
		if m.announced || m.replaced {
			v.touched(m.name)
			return nil
		}
		if err != nil && !errors.Is(err, zk.ErrNoNode) && !errors.Is(err, zk.ErrBadVersion) {
			break
		}
	}
	if err == nil {
		err = errors.New("it changes all the time")
	}
	return fmt.Errorf("announce %s: %w", path, err)
}

// takeOver deals with a node that is in the way.
func (v *view) takeOver(ctx context.Context, path string, m *member) error {
	r, err := v.conn.get(ctx, path, false)
	if err != nil {
		return err
	}
	mine := r.stat.EphemeralOwner == v.conn.zk.SessionID()
	if mine && bytes.Equal(r.data, m.data) {
		m.announced, m.replaced = true, false
		return nil
	}
	other, _ := parseNode(m.name, r.data)
	if !mine && m.joined && other.Instance != m.server.Instance {
		m.replaced = true
		return nil
	}
	if err := v.conn.replace(ctx, path, r.stat.Version, m.data); err != nil {
		return err
	}
	v.log.Warn("a leftover node in ZooKeeper was replaced", "path", path, "instance", other.Instance)
	m.announced, m.replaced = true, false
	return nil
}

// withdraw deletes the member's node, if it is this member's.
func (v *view) withdraw(ctx context.Context, m *member) error {
	path := v.path(m.name)
	r, err := v.conn.get(ctx, path, false)
	if errors.Is(err, zk.ErrNoAuth) {
		err = zk.ErrNoNode // what this member made, everybody can read
	}
	if err == nil && r.stat.EphemeralOwner == v.conn.zk.SessionID() && bytes.Equal(r.data, m.data) {
		err = v.conn.delete(ctx, path, r.stat.Version)
	}
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		return fmt.Errorf("withdraw %s: %w", path, err)
	}
	v.touched(m.name)
	return nil
}

// verify compares a member with what was read after it was announced.
func (v *view) verify(m *member) {
	n := v.nodes[m.name]
	m.announced = n != nil && n.server.Instance == m.server.Instance
	m.replaced = m.replaced && n != nil && !m.announced
}
