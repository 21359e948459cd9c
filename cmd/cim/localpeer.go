package main

import (
	"context"
	"fmt"
	"time"

	"cim/netcore"
	"cim/route"
)

// localPeers finds the one server of this process.
type localPeers struct{ server *netcore.Server }

// Peer implements route.Peers.
func (p *localPeers) Peer(route.Server) (route.Peer, bool) {
	return localPeer{p.server}, p.server != nil
}

// localPeer is the server of this process as the Router sees it.
type localPeer struct{ server *netcore.Server }

// Push implements route.Peer.
func (p localPeer) Push(ctx context.Context, pushes []route.Push) ([]route.PushResult, error) {
	np := make([]netcore.Push, len(pushes))
	for i, r := range pushes {
		np[i] = netcore.Push{User: r.User, Cursor: netcore.Cursor(r.Cursor), Body: r.Body, Asked: r.SessionEpoch == 0}
	}
	results, err := p.server.Push(ctx, np)
	if err != nil {
		return nil, err
	}
	out := make([]route.PushResult, len(results))
	for i, r := range results {
		out[i] = pushResults[r]
	}
	return out, nil
}

var pushResults = map[netcore.PushResult]route.PushResult{
	netcore.PushAbsent: route.PushAbsent, netcore.PushWritten: route.PushWritten, netcore.PushSlow: route.PushSlow,
}

// Broadcast implements route.Peer.
func (p localPeer) Broadcast(_ context.Context, b route.Broadcast) (int, error) {
	return p.server.Broadcast(netcore.Broadcast(b))
}

// Holds implements route.Peer.
func (p localPeer) Holds(_ context.Context, user int64, epoch uint64) (bool, error) {
	return p.server.Holds(user, epoch), nil
}

// Expect implements route.Peer.
func (p localPeer) Expect(_ context.Context, _ int64, within time.Duration) (route.Admission, error) {
	at, err := p.server.Expect(within)
	if err != nil {
		return route.Admission{}, fmt.Errorf("%w: %w", route.ErrNoServer, err)
	}
	return route.Admission{NotBefore: at}, nil
}

// Reserve implements route.Peer.
func (p localPeer) Reserve(_ context.Context, a route.Account, epoch uint64) error {
	if err := p.server.Reserve(a.ID, a.Kind == route.Device, epoch); err != nil {
		return fmt.Errorf("%w: %w", route.ErrNoServer, err)
	}
	return nil
}

// Kick implements route.Peer.
func (p localPeer) Kick(_ context.Context, user int64, epoch uint64, why route.KickReason) (bool, error) {
	return p.server.Kick(user, epoch, kickReasons[why]), nil
}

var kickReasons = map[route.KickReason]netcore.KickReason{
	route.KickReplaced: netcore.KickReplaced, route.KickLoggedOut: netcore.KickLoggedOut, route.KickDisabled: netcore.KickDisabled,
}

// CatchUp implements route.Peer.
func (p localPeer) CatchUp(_ context.Context, user int64) (bool, error) {
	return p.server.CatchUp(user), nil
}

// Online implements route.Peer.
func (p localPeer) Online(_ context.Context, after int64, limit int) ([]int64, int64, error) {
	users, next := p.server.Online(after, limit)
	return users, next, nil
}

// Draining implements route.Peer.
func (p localPeer) Draining() bool { return p.server.Leaving() }

// Load implements route.Peer.
func (p localPeer) Load(context.Context) (route.Load, error) {
	return route.Load{
		Sessions: p.server.Sessions(), Conns: p.server.Conns() + p.server.Expected(), Capacity: p.server.Capacity(),
		Draining: p.server.Leaving(),
	}, nil
}
